"""Volumes with a hard size, by the best means that the file system under the data directory offers.

`storage.open_storage` chooses: project quotas, btrfs subvolumes, ext4 in a sparse file, or plain directories.
"""
