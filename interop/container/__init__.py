"""The image of the Containerfile, built, run, and put in RabbitMQ's place: its variables, files, programs and volume.

With docker or podman where one of them works (`--runtime podman`), or else without: then the steps of the Containerfile
are done in root directories of Debian's, and the image runs in one of them, as its user, in a network of its own. That
takes root, debootstrap and a mirror of Debian. Python's packages are downloaded before, by the pip of this machine.

There the unit of systemd is tried as well, in a systemd that runs, where systemd-nspawn is installed.

`python -m interop.container` takes three minutes, and says NOT RUN with the reason where it cannot be done.
"""
