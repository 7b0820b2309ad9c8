//! The simulator's own tests, and the exhaustive model.

mod model;
mod simulation;
