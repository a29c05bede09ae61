"""Networks of published families in our own PyTorch, so that no code of their repositories has to run."""
