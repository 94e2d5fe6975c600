"""What any program needs in order to run; nothing here is about whales."""
