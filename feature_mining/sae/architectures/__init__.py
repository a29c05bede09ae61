"""Training forms of sparse autoencoders, one architecture a module, and what they share."""
