"""What the rules ask of the configuration: pure functions, without snakemake."""
