//! The API through the router, against a real engine on a home of its own.

mod access;
mod connections;
mod examples;
mod feedback;
mod findings;
mod house;
mod importing;
mod jobs;
mod keys;
mod pages;
mod products;
mod replays;
mod searching;
mod service;
mod upkeep;
mod uploads;
