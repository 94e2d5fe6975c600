"""From features and pictures of heads to scores of whales: what the programs share that search, compare and fuse."""
