//! The broker over real servers of Redis and NATS, which the tests start, kill and restart. If a program
//! is not installed its tests are skipped; with LIVE_REQUIRE_ENGINES=1 they fail instead.
mod claims;
mod empty;
mod failures;
mod sharing;
#[path = "../support/mod.rs"]
mod support;

/// Makes a test of each function for each engine.
macro_rules! over_both_engines {
    ($($functions:tt)*) => {
        over_one_engine! { redis $($functions)* }
        over_one_engine! { nats $($functions)* }
    };
}

macro_rules! over_one_engine {
    ($engine:ident $($subject:ident { $($name:ident)* })*) => {
        mod $engine {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(server) = crate::support::$engine::start().await {
                    crate::$subject::$name(server).await;
                }
            })*)*
        }
    };
}

over_both_engines! {
    sharing {
        nodes_share_a_channel_in_order
        history_and_resume_on_a_node_that_starts_later
        an_id_is_stored_once_over_all_nodes
        a_claim_works_once_over_all_nodes
        signals_reach_the_other_node
        the_log_has_limits
        channels_are_limited
        unused_channels_are_forgotten
    }
    failures {
        nothing_is_lost_or_doubled_when_the_engine_is_killed_under_load
        away_and_up_again
        lost_data_is_a_new_epoch
        an_older_state_is_a_new_epoch
        no_position_is_used_twice_after_all_messages_are_old
        a_node_starts_while_the_engine_is_away
        a_hung_engine_is_away
    }
}
