"""The training backend of Longhand: packed SFT and DPO on long answers."""

__version__ = "0.1.0"
