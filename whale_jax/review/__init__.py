"""The page on which a person decides who is on new photos, and the decisions behind it."""
