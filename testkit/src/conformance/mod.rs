//! The conformance suite of the store: what rotation.md 3 and design.md 5 promise, held on any
//! implementation of [`server::store::Store`].
//!
//! Each function takes an empty store and names the rule that it holds. `store_conformance!` makes a
//! test of each of them for the store that a function makes.

pub mod campaigns;
pub mod channels;
pub mod devices;
pub mod escrow;
pub mod groups;
pub mod means;
pub mod people;
pub mod policies;
pub mod reading;
pub mod reports;
pub mod requests;
pub mod retention;
pub mod reveal;
pub mod roles;
pub mod rollouts;
pub mod sessions;
pub mod survey;
pub mod tenant;
pub mod uses;
pub mod versions;
mod world;

pub use world::World;

/// Makes a module of tests from a function that gives an empty store and what must live as long as it
/// does: `async fn make() -> (Arc<dyn Store>, impl Sized)`.
#[macro_export]
macro_rules! store_conformance {
    ($module:ident, $make:path) => {
        mod $module {
            use super::*;
            $crate::store_conformance! { @ $make;
                versions: a_repeated_store_gives_the_same_answer, a_store_with_another_content_is_a_conflict,
                    a_store_looks_at_the_certificate,
                    a_proof_supersedes_what_is_older, device_times_are_never_compared, a_later_proof_overtakes_pending_ones, a_late_proof_changes_nothing,
                    a_late_proof_of_another_account_is_released, an_abandoned_version_cannot_be_proven,
                    an_unknown_version_cannot_be_proven, abandoning_touches_only_pending_ones,
                    the_bound_of_versions_in_a_day, the_bound_of_unresolved_versions, released_ones_do_not_block,
                    store_is_refused_and_the_truth_is_taken, unknown_devices_are_refused, a_retired_key_is_refused,
                    the_live_set_is_best_first, abandoned_versions_stay_readable_last;
                reports: a_report_answers_current_and_unresolved, the_same_report_writes_nothing,
                    a_roll_back_is_a_fork, a_lost_answer_to_a_proof_is_no_fork, a_released_current_is_no_fork,
                    two_forks_in_seven_days_are_a_suspicion, forks_far_apart_are_no_suspicion,
                    a_person_clears_a_fork, an_unknown_verifier_is_an_event, the_answer_says_what_store_would,
                    a_report_changes_name_and_system, what_a_device_tells_is_kept;
                retention: superseded_versions_are_kept_thirty_days, the_last_three_proven_ones_are_kept_longer,
                    the_last_three_are_counted_by_account, the_installed_one_is_never_trimmed, a_fork_stops_trimming,
                    policy_leaves_the_account, the_other_account_is_released_at_a_proof,
                    released_ones_are_never_trimmed, a_tombstone_stays_readable_and_comes_back,
                    the_job_purges_only_what_is_due_and_silent, a_purge_is_for_good, disabled_devices_are_not_purged,
                    a_jump_of_the_clock_holds_what_destroys, the_clock_is_compared_with_the_monotonic_one;
                uses: a_use_is_noted_once, the_newest_uses_are_kept, the_last_read_of_a_version;
                requests: only_a_later_version_meets_a_request, repeats_coalesce, each_request_adds_one_to_the_bound,
                    what_was_stored_ahead_of_now_does_not_count,
                    requests_are_refused_by_state, work_comes_in_order_and_is_watched;
                channels: a_channel_begins_behind_its_record, a_channel_goes_on_from_where_it_is,
                    a_channel_is_paused_and_resumed;
                reading: a_group_has_a_rule, the_strictest_rule_counts, a_reveal_holds_the_rules,
                    an_approval_is_bound_and_used_up, requests_are_denied_and_cancelled,
                    requests_are_listed_and_bounded, break_glass_is_followed_by_a_rotation,
                    a_read_is_followed_by_a_rotation, the_audit_log_answers_questions;
                campaigns: a_campaign_is_met_by_later_proofs_only, a_campaign_shares_an_open_request,
                    who_cannot_be_asked_is_listed, exposures_are_what_the_log_names, a_revocation_asks_whom_it_must,
                    a_disclosed_pending_version_is_not_safe, a_revocation_follows_the_machine,
                    gathering_goes_on_from_its_place, a_machine_that_was_put_back_is_not_safe,
                    a_campaign_is_called_off, a_request_that_others_follow_stays;
                reveal: a_reveal_names_every_version, a_reveal_is_refused_on_another_epoch,
                    a_reveal_is_refused_on_another_revision, nothing_to_reveal_is_refused, a_disabled_reader_is_refused,
                    the_audit_log_filters_and_pages, pruning_leaves_a_checkpoint, a_head_must_be_of_the_chain;
                devices: a_join_token_is_single_use, a_lost_answer_to_a_join, a_join_token_runs_out_and_is_revoked,
                    a_join_token_brings_the_group, a_join_keeps_the_predecessor, certificates_are_added_and_revoked,
                    states_follow_each_other, groups_have_members, groups_in_use_stay,
                    the_predecessors_live_set_is_labelled, a_predecessor_in_need_is_not_purged,
                    a_person_links_a_predecessor, contacts_are_noted_in_memory, devices_are_filtered,
                    devices_page_by_key, credentials_page_by_key;
                groups: a_filter_makes_members, members_follow_the_device, members_follow_the_filter,
                    members_of_a_filter_are_not_put_in;
                roles: a_custom_role_counts_its_holders_on, a_held_role_stays, role_names_are_unique_without_case;
                tenant: a_store_is_initialised_once, settings_change_by_revision, a_restore_is_a_new_incarnation,
                    rekey_retires_only_an_empty_key, rewrap_leaves_other_envelopes, the_store_is_ready, counts_are_right;
                people: user_names_are_unique_without_case, the_one_time_secret_works_once,
                    a_change_of_rights_voids_sessions, the_last_global_administrator_stays, roles_are_given_once,
                    service_principals_have_secrets, lists_of_people_page_by_key, nobody_is_left_out_of_a_list_of_all;
                sessions: a_session_ends_with_time_and_epoch, a_session_is_extended, a_refresh_token_is_replaced,
                    reuse_of_a_refresh_token_ends_the_family, a_device_code_is_answered_once,
                    polling_too_early_slows_down, a_replay_is_seen, failures_lock_out,
                    a_guess_is_counted_before_it_is_looked_at, an_answer_ends_with_the_rights_of_who_gave_it,
                    the_sweep_removes_what_is_over;
                means: a_rekey_carries_kept_secrets, a_generator_is_enrolled_once, passkeys_belong_to_a_user,
                    a_ticket_is_taken_once, an_api_token_ends, a_person_ends_a_session, programs_have_keys,
                    a_subject_is_one_user, a_person_unlocks;
                survey: a_survey_tells_what_the_verbs_tell, a_survey_pages_within_its_scope, a_closed_request_is_over;
                escrow: a_disclosure_names_every_version, a_disclosure_keeps_to_what_was_decided,
                    exports_and_drills_are_remembered, escrow_settings_are_kept;
                policies: a_policy_is_versioned, an_assigned_policy_stays, policies_come_through_groups,
                    a_delivery_is_in_force_when_taken_whole, the_same_delivery_writes_nothing, a_held_delivery_says_why,
                    policies_page_by_key;
                rollouts: an_exclusion_wins, a_version_goes_by_rings, a_rollout_halts_resumes_and_completes,
                    a_first_version_goes_by_rings, a_roll_back_ends_the_rings, a_plan_is_kept,
                    held_devices_are_listed, an_error_is_known_since;
            }
        }
    };
    (@ $make:path; $($area:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                let (store, _kept) = $make().await;
                $crate::conformance::$area::$name($crate::conformance::World::new(store).await).await;
            }
        )+)+
    };
}
