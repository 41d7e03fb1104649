"""From a decoded record to the numbers that the model takes."""
