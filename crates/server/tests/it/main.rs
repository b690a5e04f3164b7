//! The API through the router, against a real engine on a home of its own.

mod house;
mod importing;
mod pages;
mod products;
mod searching;
mod service;
