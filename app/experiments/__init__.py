"""Questions put to a study, from a page: their forms, runs and answers, one page for every kind."""
