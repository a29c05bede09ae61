"""What differs between two models, two layers or two autoencoders that read the same bases."""
