"""Networks made smaller: what each part is worth, in which order parts go, and the network without them.

A *part* is a block, an attention head, a filter of a Hyena operator or an inner channel of an MLP.
"""
