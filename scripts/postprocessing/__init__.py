"""From the networks' probabilities to categories of products: means, and what equal pictures decide."""
