"""The steps of a study, one module a stage; ``registry.STAGES`` holds them in order."""
