"""What starts a build: landed files, and the clock."""

BUILD_JOB = "build"
