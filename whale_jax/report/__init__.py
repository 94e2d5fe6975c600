"""Tables, figures and sheets of pictures for people, made from finished stages."""
