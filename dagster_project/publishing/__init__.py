"""From a build whose gates passed to audiences that channels have acknowledged."""
