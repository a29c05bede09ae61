"""What an output of a model hangs on: `target` says which output, `features` and `bases` what it hangs on."""
