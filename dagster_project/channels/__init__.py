"""One module for each channel tool, found by being here: there is no list to add it to."""
