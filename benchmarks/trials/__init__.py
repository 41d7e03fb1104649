"""What the benchmark `trial` is made of: pairs of models, simulated, and how they are drawn."""
