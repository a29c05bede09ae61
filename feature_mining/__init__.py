"""What is mined: sparse autoencoders, feature maps, association with tracks. Arrays in, arrays out."""
