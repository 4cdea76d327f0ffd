//! The metrics of the server as a live plot, in binary messages.
