"""What is mined from a DNA model: sparse autoencoders, feature maps, association with annotation.

Arrays and DataFrames in, arrays and DataFrames out; works without ``workbench``. Import the modules
themselves: ``feature_mining.sae``, ``feature_mining.feature_map``, ``feature_mining.association``.
"""
