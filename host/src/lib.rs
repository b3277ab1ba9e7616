//! The Lacuna host: loader, data, loop, checkpoints and command line.
