//! A plugin harms only itself, whatever it is and however it got into the folder.
//!
//! Each test runs the real binary with a hostile plugin or folder, a well-behaved
//! plugin beside it, and a client that keeps posting ([`scene`]). It asserts what
//! becomes of the hostile one, and [`scene::Scene::watched`] asserts for each that
//! the others don't notice: every request gets its 200, the good plugin handles
//! every event, and the host neither panics nor ends.

mod attempts;
mod bombs;
mod cache;
mod churn;
mod components;
mod drops;
mod folder;
mod leaks;
mod manifests;
mod network;
mod scene;
mod servers;
mod shapes;
