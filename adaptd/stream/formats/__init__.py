"""From a message's bytes to a record as Python has it."""
