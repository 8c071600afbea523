"""What a user sees on the terminal while the workflow runs: plan, progress, failures, what was reached."""
