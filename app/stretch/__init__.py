"""A sequence that a reader pasted, or a place of the genome, read anew by the model; two alleles of it."""
