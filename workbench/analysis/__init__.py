"""What is measured in a study, as functions that stages, reports and exports call."""
