"""Tables of all participants."""
