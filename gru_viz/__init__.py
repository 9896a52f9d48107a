"""gru_viz: see the gates of a GRU, step by step, with proof."""
