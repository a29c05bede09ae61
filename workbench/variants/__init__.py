"""What variants do to a model: how likely the sequence becomes, which features come and go, and where.

`subject` gathers model, genome, autoencoder and annotation from a study or a model; `sites` reads variants;
`effects` runs the model on both alleles, both strands; `consequence` says what happens to a protein; `truth`
compares scores with labels, beside baselines that need no network; `page` draws one variant.
"""
