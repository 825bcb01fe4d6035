"""The contract that every adapter passes, shipped so that adapters elsewhere can pass it too."""
