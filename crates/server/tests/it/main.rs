//! The API through the router, against a real engine on a home of its own.

mod access;
mod connections;
mod examples;
mod feedback;
mod findings;
mod house;
mod importing;
mod keys;
mod jobs;
mod pages;
mod products;
mod replays;
mod searching;
mod service;
