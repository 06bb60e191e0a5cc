# SPDX-License-Identifier: MIT
"""The mount's contract, sentence by sentence, each with the tests that prove it.

The sentences stand under the contract's headings and in its order. Where cuteshmfs(1) states an exception, the sentence
says so. Here it is only checked that every test that is named exists."""

import ast
import collections
import functools
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent

SEEN = {
    "What is not said otherwise is as on tmpfs": [
        "mount/test_fsx::test_random_operations_do_what_they_do_on_tmpfs",
        "mount/test_moving::test_what_is_refused_is_refused_as_on_tmpfs",
    ],
    "At the top there is a directory for each project": [
        "mount/test_tree::test_an_empty_registry_is_an_empty_directory",
        "mount/test_tree::test_find_sees_every_project_group_array_and_sidecar",
    ],
    "A project's .meta tells its attributes, totals, owner and source": [
        "mount/test_sidecars::test_the_sidecar_of_a_project_tells_where_it_came_from",
    ],
    "An array is a regular file of its raw bytes with its exact size": [
        "mount/test_tree::test_listing_gives_the_types",
        "mount/test_tree::test_reading_gives_the_bytes_of_the_array",
        "mount/test_tree::test_size_blocks_owner_mode_and_times_are_those_of_the_segment",
    ],
    "Beside an array is its sidecar": [
        "mount/test_tree::test_find_sees_every_project_group_array_and_sidecar",
        "mount/test_sidecars::test_a_sidecar_says_dtype_shape_bytes_segment_and_attributes",
    ],
    "A group is a directory, with a .meta only if it has attributes or a kind": [
        "mount/test_tree::test_groups_without_attributes_have_no_sidecar",
        "mount/test_sidecars::test_the_sidecar_of_a_group_has_its_totals_and_attributes",
        "mount/test_sidecars::test_a_compound_says_so",
        "mount/test_sidecar_writing::test_groups_and_projects",
    ],
}

NAMES = {
    "A name is the key byte for byte": [
        "mount/test_names::test_every_key_has_its_entry",
        "mount/test_names::test_groups_have_the_same_names",
        "mount/test_arrays::test_a_name_is_the_key_byte_for_byte",
    ],
    "Encoded are . and .., / and NUL, the dot of a last .meta or .npy, a % that would mean more, the empty name": [
        "mount/test_names::test_every_key_has_its_entry",
        "mount/test_names::test_every_key_can_be_removed",
        "unit/test_names::keys_become_directory_entries_and_back",
    ],
    "Bytes that are not UTF-8 are themselves": [
        "mount/test_names::test_names_that_are_not_utf8_are_themselves",
        "mount/test_names::test_names_from_a_file_that_are_not_utf8",
    ],
    "A name over 250 bytes is its beginning, in whole characters, and its hash": [
        "mount/test_names::test_names_too_long_for_a_directory_are_cut_and_hashed",
        "unit/test_names::long_keys_are_named_by_their_hash",
    ],
    "On the way in exactly these are decoded; what no key is spelt as cannot be made (EINVAL, says the manual)": [
        "mount/test_names::test_other_spellings_are_not_there",
        "mount/test_names::test_other_spellings_cannot_be_made",
        "mount/test_directories::test_mkdir_through_a_name_that_is_encoded",
        "unit/test_names::each_key_has_one_directory_entry_only",
    ],
    "Not made are names that are not UTF-8 (EILSEQ), over 250 bytes (ENAMETOOLONG), or end as cut ones do (EINVAL)": [
        "mount/test_arrays::test_names_that_no_array_can_have",
        "mount/test_directories::test_mkdir_refuses_names",
        "mount/test_linking::test_links_that_cannot_be_are_refused",
        "mount/test_moving::test_names_that_nothing_can_have_are_refused",
        "mount/test_npy::test_a_bad_name_is_refused",
        "mount/test_sidecar_writing::test_names_that_cannot_be",
    ],
    "mkdir of x.meta or x.npy is EINVAL": [
        "mount/test_directories::test_mkdir_refuses_names",
    ],
    "x.meta beside a group x is EISDIR": [
        "mount/test_sidecar_writing::test_names_that_cannot_be",
    ],
    "A bad project name is EINVAL or ENAMETOOLONG on the mount, and status 2 of a command": [
        "mount/test_directories::test_mkdir_refuses_names",
        "mount/test_moving::test_names_that_nothing_can_have_are_refused",
        "commands/test_usage::test_bad_project_names",
        "unit/test_names::project_names_follow_the_rule",
    ],
}

OWNERS = {
    "The top is the daemon's user's, mode 1777": [
        "mount/test_tree::test_the_root_belongs_to_the_daemons_user_and_is_sticky",
    ],
    "A project and its groups have owner and mode of the manifest, with x wherever there is r": [
        "mount/test_tree::test_directories_have_the_owner_and_mode_of_the_manifest",
        "mount/test_coherence::test_the_mode_of_a_manifest",
    ],
    "chmod and chown of a project change its manifest (set-ID and sticky bits are not kept, says the manual)": [
        "mount/test_directories::test_chmod_of_a_project_changes_its_manifest",
        "mount/test_directories::test_chown_of_a_project_takes_all_along",
        "mount/test_directories::test_of_the_mode_of_a_project_only_read_write_and_search_stay",
    ],
    "An array has owner and mode of its segment; sidecar and view show the same": [
        "mount/test_tree::test_size_blocks_owner_mode_and_times_are_those_of_the_segment",
        "mount/test_tree::test_sidecars_show_owner_and_mode_of_their_array",
        "mount/test_npy::test_owner_and_mode_are_those_of_the_array",
        "mount/test_coherence::test_the_mode_of_a_sidecar_nobody_saw_the_array_of",
    ],
    "Sidecar and view are checked as the array is": [
        "mount/test_users::test_what_is_done_to_an_array_depends_on_its_mode",
        "mount/test_npy::test_another_users_array_is_refused",
        "mount/test_permissions::test_a_private_array_in_a_public_project_is_closed_with_its_sidecar",
    ],
    "What a user makes through root's daemon is his, with his umask": [
        "mount/test_users::test_what_a_user_makes_is_his",
        "mount/test_users::test_a_raw_file_is_made_with_the_umask",
        "mount/test_arrays::test_what_a_user_makes_through_roots_daemon_belongs_to_him",
        "mount/test_arrays::test_a_created_file_has_the_mode_that_was_asked_for",
        "mount/test_directories::test_mkdir_at_the_top_makes_a_project",
        "mount/test_directories::test_a_project_belongs_to_who_makes_it",
        "mount/test_npy::test_who_makes_one_owns_it",
    ],
    "What is made in another's project, or moved into it, is its owner's; in root's it is the maker's": [
        "mount/test_users::test_what_is_made_in_anothers_project_is_the_owners",
        "mount/test_users::test_what_is_made_in_roots_project_is_the_makers",
        "mount/test_users::test_what_is_moved_into_anothers_project_is_the_owners",
        "mount/test_directories::test_a_move_into_another_users_project_gives_it_its_owner",
        "unit/test_transfer::what_is_moved_gets_the_owner_of_where_it_is",
    ],
    "A move that gives away what is not the mover's is EPERM": [
        "mount/test_directories::test_a_move_that_gives_away_what_is_not_the_movers_is_refused",
        "mount/test_users::test_what_is_done_in_a_project_depends_on_its_mode",
        "mount/test_users::test_another_users_array_is_not_moved_for_one_that_was_there",
    ],
    "A link between projects of two owners is EPERM": [
        "mount/test_directories::test_a_link_between_projects_of_different_owners_is_refused",
        "mount/test_users::test_what_is_done_in_a_project_depends_on_its_mode",
    ],
    "chown of a single array is EPERM, but in root's projects": [
        "mount/test_arrays::test_only_root_gives_an_array_away_and_only_in_his_own_project",
        "mount/test_arrays::test_in_roots_project_an_array_may_be_given_to_a_group_of_its_owners",
        "mount/test_users::test_what_is_done_in_a_project_depends_on_its_mode",
    ],
    "chown and chgrp of the project's directory take all along": [
        "mount/test_directories::test_chown_of_a_project_takes_all_along",
        "mount/test_directories::test_chgrp_of_a_project_takes_all_along",
        "mount/test_users::test_chown_of_a_project_takes_all_along",
        "mount/test_permissions::test_giving_a_project_gives_nothing_that_is_not_its_owners",
    ],
    "chmod, chown and utimens of sidecars and groups succeed without effect": [
        "mount/test_directories::test_chmod_chown_and_utimens_of_groups_and_sidecars_succeed_without_effect",
        "mount/test_sidecar_writing::test_chmod_chown_and_utimens_of_what_is_written",
    ],
}

ARRAY_FILES = {
    "read, write and shared mappings are of the segment itself, the same pages, seen at once by everybody": [
        "mount/test_mapping::test_a_store_through_the_mount_is_seen_on_the_segment_at_once",
        "mount/test_mapping::test_a_store_on_the_segment_is_seen_through_the_mount_at_once",
        "mount/test_mapping::test_read_and_write_are_coherent_with_mappings",
        "mount/test_mapping::test_a_mapping_is_memory_of_the_segment_not_of_the_file_cache",
        "mount/test_mapping::test_mapping_and_reading_reserve_nothing_more",
        "interop/test_peer::test_it_sees_what_we_store_through_the_mount",
    ],
    "A private mapping changes nothing": [
        "mount/test_mapping::test_a_private_mapping_changes_nothing",
    ],
    "Owner and mode say who may open": [
        "mount/test_users::test_what_is_done_to_an_array_depends_on_its_mode",
        "mount/test_mapping::test_read_only_opens_cannot_write",
    ],
    "An open whose segment was replaced finds the new one (twice meanwhile: ESTALE or ENOENT, says the manual)": [
        "mount/test_coherence::test_an_open_gets_the_new_segment_of_the_same_name",
        "mount/test_coherence::test_an_open_gets_the_new_segment_while_the_old_one_is_open",
        "mount/test_coherence::test_an_open_gets_the_array_of_the_new_project",
        "mount/test_coherence::test_a_thousand_replacements_never_give_old_bytes",
    ],
    "A file that is made is an undeclared vector of bytes, the segment from the start": [
        "mount/test_arrays::test_a_created_file_is_an_undeclared_vector_of_bytes",
        "mount/test_arrays::test_a_file_is_the_segment_itself_from_its_creation_on",
        "mount/test_arrays::test_mknod_makes_an_empty_array",
    ],
    "It has no sidecar until one is written": [
        "mount/test_arrays::test_an_undeclared_array_has_no_sidecar",
        "mount/test_sidecar_writing::test_an_undeclared_array_is_declared",
    ],
    "If a sidecar was waiting for it, it is what that says": [
        "mount/test_arrays::test_a_file_takes_over_what_its_waiting_sidecar_says",
        "mount/test_sidecar_writing::test_a_waiting_one_gets_its_data",
    ],
    "st_size is the segment's length, of an empty array 0": [
        "mount/test_sizes::test_the_first_dimension_is_the_whole_rows_in_the_size",
        "mount/test_coherence::test_a_segment_that_grows",
        "mount/test_tree::test_empty_arrays_are_empty",
    ],
    "When the size changes the first dimension is the whole rows in it": [
        "mount/test_sizes::test_the_first_dimension_is_the_whole_rows_in_the_size",
        "mount/test_arrays::test_appending_adds_rows",
        "unit/test_fit::the_first_dimension_is_the_whole_rows_in_the_size",
    ],
    "Bytes beyond the last whole row stay in the file and are the rest": [
        "mount/test_sizes::test_the_first_dimension_is_the_whole_rows_in_the_size",
        "mount/test_arrays::test_appending_adds_rows",
        "unit/test_sidecar::bytes_beyond_the_array_are_its_rest",
    ],
    "The leaf of an array without elements says its rest, to tell its byte from an empty one's": [
        "mount/test_sizes::test_a_rest_of_one_byte_is_not_taken_for_an_empty_arrays",
        "unit/test_fit::only_an_array_without_elements_says_that_it_has_a_rest",
    ],
    "dtype and trailing shape survive any size": [
        "mount/test_sizes::test_dtype_and_trailing_shape_survive_any_size",
        "mount/test_arrays::test_o_trunc_empties_an_array_and_keeps_dtype_and_trailing_shape",
    ],
    "A truncation is in the manifest before the segment shrinks": [
        "mount/test_sizes::test_a_change_that_cannot_be_written_down_changes_nothing",
        "mount/test_kill::test_killed_at_any_system_call_a_change_of_a_file_is_done_or_not",
    ],
    "Growth is there before close, fsync and fallocate return": [
        "mount/test_arrays::test_the_size_follows_before_close_and_fsync_return",
        "mount/test_arrays::test_fallocate_reserves_and_grows",
    ],
    "The close of who only reads asks nobody, that of who writes does": [
        "mount/test_arrays::test_flush_of_a_reader_asks_nobody",
    ],
    "Reading a manifest changes no shape: what a dead daemon's writers appended is a rest until the next writer": [
        "mount/test_sizes::test_reading_a_manifest_changes_no_shape",
        "mount/test_sizes::test_a_daemon_that_dies_between_write_and_close_loses_nothing",
    ],
    "A scalar that is too short is broken until the size is right; it keeps its file and has no x.npy": [
        "mount/test_sizes::test_a_scalar_whose_file_is_too_short_is_broken_but_keeps_it",
        "mount/test_npy::test_what_has_no_data_has_no_view",
    ],
    "All leaves of a shared segment follow its size": [
        "mount/test_sizes::test_all_leaves_of_a_shared_segment_follow",
        "mount/test_linking::test_a_new_size_is_followed_in_all_projects",
    ],
    "An empty array reads as empty though its segment has a byte": [
        "mount/test_arrays::test_an_empty_array_reads_as_empty_though_its_segment_has_a_byte",
        "mount/test_arrays::test_a_reader_beside_a_writer_of_an_empty_array_sees_what_is_written",
        "mount/test_arrays::test_readers_stay_while_an_array_is_emptied_and_filled",
    ],
    "An open for writing takes the byte away, and it comes back, with the old times, if the array stays empty": [
        "mount/test_arrays::test_an_open_for_writing_takes_the_byte_away_and_it_comes_back_with_the_old_times",
        "mount/test_arrays::test_the_first_byte_written_into_an_empty_array_is_its_own",
        "mount/test_sizes::test_an_empty_arrays_byte_never_shows_up_in_what_it_becomes",
        "mount/test_two_daemons::test_the_byte_of_an_empty_array_comes_back_after_the_last_of_all_writers",
    ],
    "Writing into an empty array runs at full speed": [
        "mount/test_arrays::test_writing_into_an_empty_array_asks_nobody",
    ],
    "unlink takes an array out of the manifest, with its sidecar, and then its segment": [
        "mount/test_removal::test_removing_one_array_leaves_the_others",
        "mount/test_kill::test_killed_at_any_system_call_a_change_is_done_or_not",
    ],
    "What is open or mapped of a removed array goes on, and its memory is freed with the last": [
        "mount/test_removal::test_open_files_go_on_after_removal",
        "mount/test_removal::test_memory_is_given_back",
        "mount/test_removal::test_memory_removed_outside_is_given_back_once_closed",
        "mount/test_mapping::test_a_mapping_outlives_the_removal_of_its_project",
        "mount/test_arrays::test_memory_is_freed_with_the_last_descriptor_of_a_removed_file",
        "mount/test_daemon::test_an_idle_daemon_holds_no_segments",
    ],
    "rename works within and between groups and projects, of arrays and groups": [
        "mount/test_moving::test_a_name_moves_with_all_it_has",
        "mount/test_users::test_a_rename_is_done_as_posix_says",
    ],
    "rename onto an array replaces it, sidecar and all": [
        "mount/test_moving::test_an_array_replaces_an_array_sidecar_and_all",
        "mount/test_moving::test_only_what_is_replaced_is_freed_and_not_if_it_has_another_name",
    ],
    "A project is renamed by its directory, a group becomes a project, and the reverse": [
        "mount/test_moving::test_a_name_moves_with_all_it_has",
        "mount/test_moving::test_an_empty_project_is_replaced",
        "mount/test_moving::test_a_group_replaces_an_empty_project",
        "unit/test_transfer::a_group_becomes_a_project_and_back",
    ],
    "RENAME_NOREPLACE refuses what is there": [
        "mount/test_moving::test_what_is_refused_is_refused_as_on_tmpfs",
    ],
    "RENAME_EXCHANGE: two names change places (not a project and a group, says the manual)": [
        "mount/test_moving::test_two_names_change_places",
        "mount/test_moving::test_names_that_nothing_can_have_are_refused",
    ],
    "No bytes move, and segments keep their names": [
        "mount/test_moving::test_inode_numbers_and_open_files_go_along",
        "mount/test_moving::test_what_moves_keeps_the_name_of_its_segment",
    ],
    "A link is a second name of the same segment, across projects too, with the same st_ino": [
        "mount/test_linking::test_a_link_is_another_name_of_the_same_segment",
        "mount/test_linking::test_memory_goes_with_the_last_name",
    ],
    "st_nlink counts the names, of HDF5's hard links likewise": [
        "mount/test_linking::test_names_in_all_projects_are_counted",
        "mount/test_linking::test_names_in_projects_that_nobody_has_looked_at_are_counted",
        "mount/test_linking::test_names_made_through_another_mount_are_counted",
        "mount/test_tree::test_the_names_of_one_dataset_share_an_inode",
    ],
    "chmod, utimens and stat of an array are the segment's, and so is chown where it is allowed": [
        "mount/test_arrays::test_chmod_and_times_are_the_segments",
        "mount/test_arrays::test_only_root_gives_an_array_away_and_only_in_his_own_project",
        "mount/test_tree::test_size_blocks_owner_mode_and_times_are_those_of_the_segment",
    ],
    "st_blocks is true, so du counts the memory that is used": [
        "mount/test_arrays::test_du_counts_memory_really_used",
        "mount/test_tree::test_du_counts_the_memory",
        "mount/test_tools::test_du_counts_the_memory_that_is_used",
    ],
    "fallocate is as on tmpfs": [
        "mount/test_arrays::test_fallocate_in_all_modes_tmpfs_has",
        "mount/test_fsx::test_random_operations_do_what_they_do_on_tmpfs",
    ],
    "Holes, copy_file_range, O_DIRECT and fsync are as on tmpfs": [
        "mount/test_arrays::test_holes_are_found_and_copied",
        "mount/test_arrays::test_copy_file_range",
        "mount/test_arrays::test_direct_io",
        "mount/test_fsx::test_random_operations_do_what_they_do_on_tmpfs",
    ],
    "Locks of all kinds work between all processes on the mount (not against the segment's own, says the manual)": [
        "mount/test_arrays::test_locks_work_between_processes",
    ],
    "With /dev/shm full a write is ENOSPC": [
        "mount/test_sizes::test_a_writer_in_a_full_memory_is_told_and_keeps_what_fits",
    ],
    "With /dev/shm full truncate, create and sidecar writes are ENOSPC, and nothing is half-changed": [
        "mount/test_sizes::test_a_size_that_cannot_be_had_is_enospc_and_changes_nothing",
        "mount/test_sizes::test_creating_in_a_full_memory_is_enospc_and_changes_nothing",
        "mount/test_sidecar_writing::test_no_room",
        "mount/test_sidecar_writing::test_no_room_for_another_size",
        "mount/test_npy::test_a_full_shared_memory_is_enospc_and_leaves_nothing",
    ],
    "What is sized is reserved, so a store into a mapping is no SIGBUS (but in holes made since, says the manual)": [
        "mount/test_sizes::test_a_store_into_a_mapping_never_meets_a_full_memory",
        "mount/test_sidecar_writing::test_making_an_array_by_its_sidecar",
        "mount/test_mapping::test_a_store_into_a_hole_in_a_full_memory_is_sigbus_and_the_daemon_serves_on",
    ],
}

SIDECARS = {
    "There is a sidecar of every array but undeclared ones, and of a project or group that has something to say": [
        "mount/test_tree::test_find_sees_every_project_group_array_and_sidecar",
        "mount/test_arrays::test_an_undeclared_array_has_no_sidecar",
        "mount/test_directories::test_mkdir_at_the_top_makes_a_project",
        "mount/test_tree::test_groups_without_attributes_have_no_sidecar",
    ],
    "So whoever has made a file or directory may create its sidecar exclusively": [
        "mount/test_sidecar_writing::test_meta_where_there_is_none",
        "mount/test_linking::test_who_links_may_then_create_the_sidecar_exclusively",
        "mount/test_round_trip::test_a_project_copied_out_and_back_in_is_the_same",
    ],
    "It shows the document, fresh at every open": [
        "mount/test_sidecars::test_it_starts_with_its_path_and_has_one_key_per_line",
        "mount/test_sidecars::test_it_changes_with_its_project",
        "mount/test_coherence::test_a_sidecar_is_opened_fresh_and_with_its_length",
        "unit/test_sidecar::the_example_is_shown",
    ],
    "Its size is exact, so tools get all of it": [
        "mount/test_sidecars::test_tools_read_all_of_it",
        "mount/test_tree::test_cp_tar_and_cat_get_all_bytes",
        "mount/test_round_trip::test_rsync_of_what_is_the_same_writes_nothing",
    ],
    "Its mtime moves when its own text changes, and only then": [
        "mount/test_sidecar_writing::test_writing_one_replaces_it_whole",
        "mount/test_sidecar_writing::test_what_it_says_already_changes_nothing",
        "mount/test_sidecar_writing::test_the_mtime_of_others_stays",
        "mount/test_sidecars::test_its_time_stays_while_its_text_does",
    ],
    "Writing one replaces it whole when it is closed": [
        "mount/test_sidecar_writing::test_writing_one_replaces_it_whole",
        "mount/test_sidecar_writing::test_read_and_write_through_one_descriptor",
    ],
    "fsync judges, too": [
        "mount/test_sidecar_writing::test_fsync_judges",
        "mount/test_sidecar_writing::test_fsync_refuses",
    ],
    "So does a rename onto it, as of editors (not of a declared array; of another project EXDEV, says the manual)": [
        "mount/test_sidecar_writing::test_temporary_and_rename",
        "mount/test_sidecar_writing::test_sed_i",
        "mount/test_sidecar_writing::test_vim",
        "mount/test_sidecar_writing::test_nano",
        "mount/test_sidecar_writing::test_renames_that_make_no_sense",
        "mount/test_sidecar_writing::test_a_text_goes_onto_a_sidecar_of_another_project_as_from_another_disk",
    ],
    "A close judges what was written since the last judgement": [
        "mount/test_sidecar_writing::test_writing_one_replaces_it_whole",
        "mount/test_sidecar_writing::test_two_descriptors_write_one_text",
        "mount/test_sidecar_writing::test_fsync_judges",
    ],
    "An emptied sidecar is judged by the last close only": [
        "mount/test_sidecar_writing::test_emptied_only_the_last_close_judges",
    ],
    "Descriptive keys are accepted and ignored": [
        "mount/test_sidecar_writing::test_descriptive_keys_are_ignored",
        "unit/test_sidecar::descriptive_keys_are_accepted_and_ignored",
    ],
    "Missing dtype and shape mean the present ones, missing attributes none": [
        "mount/test_sidecar_writing::test_missing_dtype_and_shape_mean_the_present_ones_and_missing_attrs_none",
    ],
    "A new dtype alone is the vector that fills the file, with its rest": [
        "mount/test_sidecar_writing::test_a_new_dtype_alone_is_the_vector_that_fills_the_file",
    ],
    "Of a group kind and shape count": [
        "mount/test_sidecar_writing::test_groups_and_projects",
    ],
    "Unknown keys are refused": [
        "mount/test_sidecar_writing::test_a_bad_document_is_refused_and_the_old_one_stays",
        "unit/test_sidecar::what_is_not_understood_is_refused_with_its_line",
    ],
    "A bad one is EINVAL, the old one stays, and why is in the log and at its end until a good one is written": [
        "mount/test_sidecar_writing::test_a_bad_document_is_refused_and_the_old_one_stays",
        "mount/test_sidecar_writing::test_the_remark_of_a_project",
    ],
    "Writing x.meta where there is no x makes the array: zeros, with the memory reserved": [
        "mount/test_sidecar_writing::test_making_an_array_by_its_sidecar",
        "mount/test_sidecar_writing::test_with_attributes_an_empty_array_and_a_scalar",
    ],
    "Three lines of text from a shell are enough": [
        "mount/test_tools::test_an_array_is_made_from_a_shell_script",
        "unit/test_sidecar::three_lines_describe_an_array",
    ],
    "A sidecar with a segment key was copied out of a mount and waits, as a node of the manifest": [
        "mount/test_sidecar_writing::test_a_sidecar_copied_out_of_a_mount_waits",
        "mount/test_round_trip::test_a_sidecar_that_was_copied_alone_waits_for_its_data",
        "unit/test_sidecar::a_copied_sidecar_is_known_by_its_segment",
        "unit/test_manifest::null_datasets_and_waiting_sidecars_are_bare",
    ],
    "The data that comes has its dtype, trailing shape and attributes, with a rest if need be": [
        "mount/test_arrays::test_a_file_takes_over_what_its_waiting_sidecar_says",
        "mount/test_moving::test_undeclared_bytes_become_what_a_sidecar_waits_for",
        "mount/test_linking::test_a_link_takes_over_the_sidecar_that_waits_for_it",
    ],
    'shape = "null" makes a null dataset': [
        "mount/test_sidecar_writing::test_a_null_dataset",
    ],
    "Of another byte count they resize the file if it is empty or was never opened for writing": [
        "mount/test_sidecar_writing::test_never_written_may_be_resized",
        "mount/test_sidecar_writing::test_an_empty_file_becomes_what_is_said",
        "mount/test_mapping::test_whoever_has_mapped_what_its_sidecar_resizes_keeps_the_old_bytes",
    ],
    "Otherwise that is EINVAL (as it is of an array linked into other projects, says the manual)": [
        "mount/test_sidecar_writing::test_written_may_not",
        "mount/test_sidecar_writing::test_opened_for_writing_is_enough",
        "mount/test_sidecar_writing::test_a_store_into_the_segment_itself_counts_as_written",
        "mount/test_linking::test_a_sidecar_does_not_cut_a_link_to_another_project",
    ],
    "Removing a sidecar drops the attributes and keeps the array with dtype and shape, until something is declared": [
        "mount/test_sidecar_writing::test_removing_it_drops_the_attributes_and_keeps_the_array",
        "mount/test_removal::test_removing_a_sidecar_drops_the_attributes_and_keeps_the_array",
        "mount/test_sidecar_writing::test_removing_that_of_a_group",
        "mount/test_tools::test_an_unlinked_sidecar_of_a_project_is_gone_until_something_is_declared",
    ],
    "Of a null dataset, a missing array or a waiting one it removes all": [
        "mount/test_sidecar_writing::test_a_null_dataset",
        "mount/test_sidecar_writing::test_a_waiting_one_is_removed_by_removing_it",
        "mount/test_broken::test_rm_r_cleans_up_and_touches_nothing_else",
    ],
    "mkdir of a waiting name is EEXIST": [
        "mount/test_moving::test_undeclared_bytes_become_what_a_sidecar_waits_for",
    ],
    "Removing the array removes its sidecar": [
        "mount/test_removal::test_removing_one_array_leaves_the_others",
        "mount/test_coherence::test_the_sidecar_goes_with_its_array_for_everybody",
    ],
    "Moving the array takes its sidecar along": [
        "mount/test_moving::test_a_name_moves_with_all_it_has",
    ],
    "rm -r, rm p/*, find -delete and rsync --delete end with status 0": [
        "mount/test_tools::test_removing_everything_succeeds",
        "mount/test_tools::test_rsync_delete_into_the_mount",
        "mount/test_directories::test_tools_that_empty_a_directory_end_well",
        "mount/test_removal::test_rm_star_then_rmdir",
    ],
    "mv of an array and its sidecar ends with status 0": [
        "mount/test_moving::test_tools_that_name_both_end_well",
        "mount/test_tools::test_mv_of_all_to_another_project",
        "mount/test_tools::test_mv_of_an_array_and_its_sidecar",
    ],
    "For two seconds the old sidecar name still resolves, for that process and its threads only, and is never listed": [
        "mount/test_ghosts::test_this_process_still_finds_the_sidecar_of_what_it_removed",
        "mount/test_ghosts::test_so_do_its_other_threads",
        "mount/test_ghosts::test_its_children_and_other_programs_do_not",
        "mount/test_ghosts::test_a_fork_of_it_does_not",
        "mount/test_ghosts::test_it_is_gone_by_itself",
    ],
    "Removing that name, or moving it to where it is now, succeeds without effect": [
        "mount/test_ghosts::test_it_is_removed_once",
        "mount/test_moving::test_tools_that_name_both_end_well",
        "mount/test_moving::test_the_old_sidecar_name_leads_nowhere_else",
    ],
    "Opening it creates, or ends it (but of an array that was removed it can be read, says the manual)": [
        "mount/test_ghosts::test_o_creat_makes_a_new_one",
        "mount/test_removal::test_the_old_sidecar_name_is_gone_for_everybody_else",
        "mount/test_moving::test_the_old_sidecar_name_leads_nowhere_else",
        "mount/test_tools::test_an_array_moved_away_with_its_sidecar_takes_that_along",
    ],
    "Making x or x.meta anew ends it, too": [
        "mount/test_arrays::test_making_an_array_anew_ends_the_ghost_of_its_sidecar",
        "mount/test_sidecar_writing::test_made_anew_by_who_removed_the_array",
    ],
    "readdir lists each array directly before its sidecar": [
        "mount/test_tree::test_each_array_is_listed_directly_before_its_sidecar",
    ],
    "An array's number is twice its segment's and the sidecar's is the next, as rm of over 10,000 entries needs": [
        "mount/test_tree::test_an_arrays_number_is_twice_its_segments_and_its_sidecars_the_next",
        "mount/test_many::test_all_can_be_removed",
        "stress/test_scale::test_rm_r_of_a_project_of_many_arrays",
    ],
    "That is the sidecar of the first name; all other numbers have the top bit set": [
        "mount/test_linking::test_only_the_sidecar_of_the_first_name_has_the_next_number",
        "mount/test_tree::test_numbers_of_all_else_have_the_top_bit",
    ],
    "An undeclared array renamed onto a declared one is what that was (if its mover may read it, says the manual)": [
        "mount/test_moving::test_undeclared_bytes_take_over_what_they_replace",
        "mount/test_tools::test_lock_write_and_rename_onto_a_declared_array",
        "mount/test_users::test_what_one_may_read_is_taken_over",
        "mount/test_users::test_what_one_may_not_read_is_not_taken_over_by_what_one_puts_in_its_place",
    ],
    "A declared one brings its own": [
        "mount/test_moving::test_a_declared_array_brings_its_own",
        "mount/test_moving::test_an_array_replaces_an_array_sidecar_and_all",
    ],
    "Renaming x.meta away leaves the array and x.meta, and puts the text there as an undeclared array": [
        "mount/test_sidecar_writing::test_renaming_it_away_leaves_a_copy_of_its_text",
        "mount/test_sidecar_writing::test_sed_i_with_a_backup",
        "mount/test_sidecar_writing::test_vim",
    ],
}

DIRECTORIES = {
    "mkdir at the top makes a project": [
        "mount/test_directories::test_mkdir_at_the_top_makes_a_project",
    ],
    "mkdir below makes a group": [
        "mount/test_directories::test_mkdir_below_makes_groups",
    ],
    "rmdir needs it empty but for its .meta": [
        "mount/test_directories::test_rmdir_needs_it_empty_but_for_its_sidecar",
        "mount/test_removal::test_rmdir_needs_an_empty_directory",
        "mount/test_removal::test_rmdir_of_a_directory_that_has_only_a_sidecar",
    ],
    "rm -r of a project unlinks everything": [
        "mount/test_removal::test_a_project_goes_with_all_it_has",
        "mount/test_removal::test_rm_r_of_many_arrays",
    ],
    "readdir is complete and stable while entries come and go": [
        "mount/test_coherence::test_a_listing_is_complete_and_stable_while_entries_go",
        "mount/test_concurrency::test_listing_while_projects_come_and_go",
        "mount/test_moving::test_a_directory_is_read_on_while_it_goes_to_another_project",
        "mount/test_tree::test_listing_a_thousand_arrays_is_complete",
    ],
    "st_nlink of directories is true": [
        "mount/test_tree::test_directories_count_their_links",
        "mount/test_directories::test_mkdir_below_makes_groups",
    ],
    "d_type is true": [
        "mount/test_tree::test_listing_gives_the_types",
    ],
    "Plain files at the top are EPERM": [
        "mount/test_directories::test_plain_files_at_the_top_are_refused",
    ],
    "Symbolic links, fifos, sockets and devices are EPERM anywhere": [
        "mount/test_directories::test_what_is_no_array_is_refused",
    ],
    "Temporaries of editors and rsync are undeclared arrays until they are renamed onto x.meta": [
        "mount/test_sidecar_writing::test_temporary_and_rename",
        "mount/test_sidecar_writing::test_temporary_and_rename_of_what_is_not_there",
        "mount/test_tools::test_ed_like_editors_write_a_copy_and_rename",
    ],
}

VIEWS = {
    "x.npy is not listed and always there": [
        "mount/test_npy::test_it_is_not_listed_but_always_there",
    ],
    "np.load reads it, mapped too, and so does every reader of such files": [
        "mount/test_npy::test_every_dtype_and_shape_is_read_as_numpy_wrote_it",
        "mount/test_npy::test_a_large_one_is_read_whole",
        "mount/test_npy::test_a_reader_in_c_understands_it",
    ],
    "What was read of it is in the kernel's cache": [
        "mount/test_npy::test_what_was_read_is_kept_by_the_kernel",
    ],
    "The cache is dropped when a system call changes the array (stores into mappings may be missed, says the manual)": [
        "mount/test_npy::test_a_write_into_the_array_is_seen_by_the_next_read",
        "mount/test_npy::test_a_write_is_seen_through_an_open_mapping",
        "mount/test_npy::test_a_write_through_the_mount_is_seen",
    ],
    "Writing one makes the array with dtype and shape of its header (not a part of one, says the manual)": [
        "mount/test_npy::test_np_save_of_every_dtype_makes_an_array",
        "mount/test_npy::test_cp_makes_an_array",
        "mount/test_npy::test_a_shell_can_write_one",
        "mount/test_npy::test_a_part_of_it_cannot_be_written",
    ],
    "So does a rename onto it (from another project EXDEV, says the manual)": [
        "mount/test_npy::test_os_replace_of_a_file_onto_it_makes_the_array",
        "mount/test_npy::test_an_array_that_holds_a_npy_file_can_be_renamed_onto_a_view",
        "mount/test_npy::test_a_file_goes_onto_a_view_of_another_project_as_from_another_disk",
    ],
    "Fortran order is transposed on the way in": [
        "mount/test_npy::test_fortran_order_is_transposed_on_the_way_in",
        "unit/test_npy::test_fortran_order_becomes_c_order",
    ],
    "Structured dtypes become groups": [
        "mount/test_npy::test_structured_dtypes_become_groups",
    ],
    "Object arrays are EINVAL": [
        "mount/test_npy::test_object_arrays_are_refused",
    ],
    "An array that was there keeps its attributes": [
        "mount/test_npy::test_an_array_that_was_there_keeps_its_attributes_owner_and_mode",
    ],
    "unlink and rename of x.npy itself are EPERM": [
        "mount/test_npy::test_it_cannot_be_removed_or_renamed",
    ],
}

EXTENDED_ATTRIBUTES = {
    "user.cuteshm.dtype, shape and segment are answered by name, not listed, and EPERM to set": [
        "mount/test_xattr::test_dtype_shape_and_segment_are_answered_by_name",
    ],
    "Every attribute can be read, but what is too long for one is not listed, says the manual": [
        "mount/test_xattr::test_every_attribute_is_read_as_the_sidecar_says_it",
        "mount/test_xattr::test_they_are_listed_but_not_at_sidecars_and_not_what_cannot_be_read",
    ],
    "Every attribute can be set and removed": [
        "mount/test_xattr::test_set_and_remove_reach_the_sidecar_and_the_manifest",
        "mount/test_xattr::test_create_replace_range_and_other_spaces",
    ],
    "Values are those of the sidecar, strings bare unless they would then read as something else": [
        "mount/test_xattr::test_every_attribute_is_read_as_the_sidecar_says_it",
        "mount/test_xattr::test_set_and_remove_reach_the_sidecar_and_the_manifest",
    ],
    "tar and rsync carry them": [
        "mount/test_xattr::test_tar_carries_them",
        "mount/test_xattr::test_rsync_carries_them",
    ],
    "Without the option there are none, and the kernel asks once only": [
        "mount/test_xattr::test_without_the_option_there_are_none",
        "mount/test_xattr::test_without_the_option_the_kernel_asks_once",
        "mount/test_coherence::test_a_warm_listing_with_details_asks_nothing_per_entry",
    ],
}

ROUND_TRIP = {
    "cp -r, cp -a, tar and rsync -a out and back in give the same (rsync of %2E and %25 --inplace, says the manual)": [
        "mount/test_round_trip::test_a_project_copied_out_and_back_in_is_the_same",
        "mount/test_round_trip::test_a_project_copied_within_the_mount_is_the_same",
        "mount/test_round_trip::test_shapes_kinds_and_attributes_come_back",
    ],
    "What cannot be made by its name is copied out, and the rest comes back": [
        "mount/test_round_trip::test_keys_that_cannot_be_made_are_copied_out",
        "mount/test_round_trip::test_keys_that_cannot_be_made_are_refused_on_the_way_back_and_the_rest_arrives",
    ],
    "The order in which a tool writes the files does not matter": [
        "mount/test_round_trip::test_the_order_of_sidecars_and_data_does_not_matter",
        "mount/test_round_trip::test_any_order_of_files_gives_the_same_project",
        "mount/test_round_trip::test_files_that_are_written_in_pieces_all_at_once_give_the_same_project",
    ],
}

COHERENCE = {
    "Projects that the peer makes, replaces or removes are seen": [
        "interop/test_peer::test_what_it_wrote_while_mounted_appears",
        "interop/test_peer::test_what_it_loads_we_mount",
        "mount/test_outside::test_a_project_written_by_hand_appears",
    ],
    "Those of our commands, too": [
        "mount/test_outside::test_a_new_project_appears",
        "mount/test_outside::test_an_unlinked_project_vanishes",
        "mount/test_outside::test_an_overwritten_project_shows_the_new_values",
    ],
    "What is done through another mount, too": [
        "mount/test_outside::test_two_mounts_of_one_registry_agree",
        "mount/test_sizes::test_another_mount_sees_the_new_shape",
        "mount/test_two_daemons::test_many_who_open_and_append_through_both_lose_and_find_nothing",
    ],
    "What is done by hand in /dev/shm, too": [
        "mount/test_outside::test_a_segment_removed_by_hand_is_an_array_missing",
        "mount/test_coherence::test_a_segment_moved_away_and_back",
        "mount/test_coherence::test_a_segment_cut_short_and_made_whole_again",
    ],
    "It is seen soon (the benchmarks measure how soon: tests/bench/rows_window.py)": [
        "mount/test_coherence::test_a_segment_cut_short_and_made_whole_again",
        "mount/test_coherence::test_a_segment_moved_away_and_back",
    ],
    "It is seen where changes cannot be watched, or are too many for it": [
        "mount/test_coherence::test_without_inotify_changes_are_seen_all_the_same",
        "mount/test_coherence::test_more_events_than_the_queue_holds",
    ],
    "An open never gets what was replaced or removed (a symbolic link may lead nowhere then, says the manual)": [
        "mount/test_outside::test_an_open_never_gets_replaced_data",
        "mount/test_outside::test_an_open_never_gets_removed_data",
        "mount/test_coherence::test_an_open_gets_the_array_of_the_new_project",
        "mount/test_coherence::test_an_open_of_what_is_gone_fails",
        "mount/test_coherence::test_a_thousand_replacements_never_give_old_bytes",
        "stress/test_stress::test_whatever_many_clients_see_is_true_and_nothing_stays",
    ],
    "A manifest is loaded when its writer closes or renames it, not before": [
        "mount/test_coherence::test_half_a_manifest_that_parses_is_not_shown",
        "mount/test_coherence::test_half_a_manifest_of_a_new_project_is_not_shown",
        "mount/test_outside::test_a_half_written_manifest_is_waited_for",
    ],
    "Until it parses, the old picture stays": [
        "mount/test_broken::test_a_good_manifest_of_which_half_is_written_anew_leaves_the_old_picture",
    ],
    "What was damaged from the start, or is after two seconds where nothing was shown, is an empty, broken project": [
        "mount/test_broken::test_a_project_damaged_from_the_start_says_so",
        "mount/test_broken::test_half_a_manifest_that_is_found_at_the_start_is_broken_until_it_is_whole",
        "mount/test_broken::test_half_a_manifest_of_a_new_project_that_is_never_finished_is_broken_in_the_end",
    ],
    "rm -r of a damaged project does what cute-shm-unlink does": [
        "mount/test_broken::test_a_damaged_project_goes_with_the_segments_of_its_name",
        "commands/test_unlink::test_a_damaged_manifest_and_its_segments_go",
    ],
    "A warm stat of arrays and sidecars asks nobody (of a link its name is asked for at each use, says the manual)": [
        "mount/test_coherence::test_a_warm_stat_asks_nobody",
    ],
    "A warm ls -l asks nothing per entry": [
        "mount/test_coherence::test_a_warm_listing_with_details_asks_nothing_per_entry",
        "mount/test_coherence::test_a_warm_listing_is_the_kernels_own",
    ],
    "st_ino is stable for the daemon's life": [
        "mount/test_coherence::test_numbers_stay_what_they_are",
        "mount/test_tree::test_inode_numbers_are_stable_and_distinct",
        "mount/test_npy::test_it_has_a_number_of_its_own_that_stays",
    ],
    "The daemon invalidates exactly what changed": [
        "mount/test_coherence::test_a_change_of_one_array_leaves_the_others_believed",
        "mount/test_coherence::test_a_kept_listing_of_a_project_that_goes_and_comes_back_is_of_the_new_one",
        "mount/test_coherence::test_a_kept_listing_is_dropped_when_an_array_is_declared",
    ],
}

WHO_MAY = {
    "Root's daemon serves all users, and the kernel checks": [
        "mount/test_permissions::test_roots_mount_has_both_options",
        "mount/test_permissions::test_everybody_may_look_around",
        "mount/test_users::test_what_is_done_in_a_project_depends_on_its_mode",
    ],
    "A user's daemon serves that user": [
        "mount/test_permissions::test_a_users_mount_is_closed_to_others",
    ],
    "A manifest is obeyed if it is a regular file, not a link": [
        "mount/test_broken::test_a_symbolic_link_as_manifest_is_no_project",
        "mount/test_permissions::test_a_symbolic_link_in_the_registry_is_followed_by_nobody",
        "commands/test_hostile_registry::test_a_symbolic_link_as_manifest_is_not_followed",
        "commands/test_hostile_registry::test_a_manifest_that_is_no_file_blocks_nobody",
    ],
    "Names of segments have one exact form": [
        "mount/test_broken::test_it_keeps_its_sidecar_has_no_data_and_disturbs_nobody",
        "commands/test_hostile_registry::test_names_of_another_form_are_broken_and_never_unlinked",
        "unit/test_names::segment_names_have_one_exact_form",
    ],
    "A segment is a regular file of the manifest's owner, or the manifest is root's": [
        "mount/test_permissions::test_a_manifest_cannot_lend_its_owner_the_daemons_rights",
        "mount/test_users::test_what_is_made_in_roots_project_is_the_makers",
        "mount/test_coherence::test_an_open_goes_by_the_owner_of_the_manifest",
        "commands/test_hostile_registry::test_a_symbolic_link_as_segment_is_not_followed_and_not_removed",
        "commands/test_hostile_registry::test_a_segment_that_is_no_file_is_broken_and_not_removed",
        "commands/test_hostile_registry::test_a_manifest_of_one_user_cannot_name_the_memory_of_another",
    ],
    "Anything else is shown broken with the reason, and never opened, changed or unlinked": [
        "mount/test_broken::test_it_keeps_its_sidecar_has_no_data_and_disturbs_nobody",
        "mount/test_broken::test_rm_r_cleans_up_and_touches_nothing_else",
        "mount/test_permissions::test_a_manifest_that_names_anothers_segment_gives_no_right_to_it",
        "unit/test_store::hostile_manifests_reach_nothing_outside",
    ],
    "The lock file of another user is used where fs.protected_regular refuses O_CREAT": [
        "commands/test_shared_registry::test_another_user_publishes_replaces_and_removes_his_own",
        "commands/test_shared_registry::test_a_lock_file_of_another_user_is_used_whatever_its_mode_lets",
    ],
    "The lock is waited for five seconds at most: then ETIMEDOUT on the mount": [
        "mount/test_removal::test_a_held_lock_is_etimedout_and_nothing_is_removed",
        "unit/test_store::the_lock_keeps_others_out_and_gives_up_in_time",
    ],
    "And one line and status 1 of a command": [
        "commands/test_unlink::test_a_held_lock_is_waited_for_five_seconds_at_most",
    ],
}

BROKEN = {
    "An array whose segment is gone, too short or unusable keeps its sidecar, has no file, and stops nobody": [
        "mount/test_broken::test_it_keeps_its_sidecar_has_no_data_and_disturbs_nobody",
        "mount/test_coherence::test_a_segment_cut_short_and_made_whole_again",
        "mount/test_outside::test_a_segment_removed_by_hand_is_an_array_missing",
        "unit/test_manifest::an_unusable_leaf_does_not_stop_the_rest",
    ],
    "A segment longer than its array is not broken": [
        "mount/test_sidecars::test_a_segment_longer_than_its_array_has_a_rest",
        "mount/test_links::test_an_array_made_longer_through_its_link_has_a_rest_until_it_is_declared",
    ],
    "rm -r cleans it up": [
        "mount/test_broken::test_rm_r_cleans_up_and_touches_nothing_else",
    ],
}

NOTHING_HALF_DONE = {
    "Whoever publishes, replaces or removes writes down the names first, and removes the list after the last": [
        "unit/test_store::a_killed_load_is_cleaned_up_by_the_next_writer",
        "unit/test_change::a_kill_at_any_system_call_leaves_the_old_state_or_the_new",
        "mount/test_kill::test_killed_at_any_system_call_a_change_is_done_or_not",
    ],
    "While he lives the list is left alone": [
        "unit/test_store::a_living_writers_list_is_left_alone",
    ],
    "A running daemon removes what a dead writer left, but what a manifest names": [
        "mount/test_outside::test_what_a_dead_writer_wrote_down_goes_but_what_a_manifest_names",
    ],
    "So does the next daemon": [
        "mount/test_kill::test_killed_at_any_system_call_a_change_is_done_or_not",
        "mount/test_kill::test_killed_at_any_moment_all_that_was_done_is_there",
    ],
    "So does the next command": [
        "commands/test_killed::test_killing_the_loader_leaves_nothing",
        "commands/test_hostile_registry::test_a_pending_file_may_name_only_what_it_could_name_itself",
    ],
    "What a manifest or a journal names stays": [
        "unit/test_store::what_a_manifest_names_survives_a_dead_writers_list",
        "unit/test_change::what_another_projects_journal_names_is_not_unlinked",
    ],
    "The list is obeyed like a manifest: names of the exact form, segments of its own owner, of root's any": [
        "mount/test_permissions::test_a_dead_writers_list_of_roots_may_name_anybodys_memory",
        "commands/test_hostile_registry::test_a_pending_file_may_name_only_what_it_could_name_itself",
        "commands/test_hostile_registry::test_a_pending_file_of_one_user_cannot_remove_the_memory_of_another",
        "mount/test_permissions::test_files_in_the_registry_are_obeyed_as_far_as_their_owner_may",
        "mount/test_permissions::test_a_symbolic_link_in_the_registry_is_followed_by_nobody",
        "unit/test_store::a_pending_file_names_segments_only",
    ],
    "A kill at any moment leaves the old state or the new one, and no memory": [
        "mount/test_kill::test_killed_at_any_system_call_a_change_is_done_or_not",
        "mount/test_kill::test_killed_at_any_system_call_a_change_of_a_file_is_done_or_not",
        "mount/test_kill::test_killed_at_any_system_call_a_change_of_a_large_project_is_done_or_not",
        "commands/test_killed::test_whatever_ends_a_load_at_any_stage_the_old_project_stays",
        "interop/test_journal::test_writers_killed_at_any_moment_lose_nothing_and_the_peer_reads_on",
        "stress/test_stress::test_whatever_many_clients_see_is_true_and_nothing_stays",
        "unit/test_change::a_kill_at_any_system_call_leaves_the_old_state_or_the_new",
        "unit/test_transfer_killed::a_kill_at_any_system_call_leaves_the_state_before_or_after",
    ],
}

WITHOUT_PASSTHROUGH = {
    "Where passthrough cannot be had, arrays are symbolic links to their segments": [
        "mount/test_daemon::test_auto_takes_what_there_is",
        "mount/test_daemon::test_a_link_leads_to_the_segment",
    ],
    "They are zero-copy and coherent for any user": [
        "mount/test_mapping::test_a_store_through_the_mount_is_seen_on_the_segment_at_once",
        "mount/test_mapping::test_a_mapping_is_memory_of_the_segment_not_of_the_file_cache",
        "mount/test_permissions::test_public_arrays_can_be_read_and_mapped_by_all_and_written_by_none_else",
    ],
    "Lookup, sidecars, views, mkdir, making by sidecar or npy, rename and unlink work: tests run with links, too": [
        "mount/test_tree::test_find_sees_every_project_group_array_and_sidecar",
        "mount/test_sidecar_writing::test_writing_one_replaces_it_whole",
        "mount/test_npy::test_every_dtype_and_shape_is_read_as_numpy_wrote_it",
        "mount/test_directories::test_mkdir_below_makes_groups",
        "mount/test_sidecar_writing::test_making_an_array_by_its_sidecar",
        "mount/test_npy::test_np_save_of_every_dtype_makes_an_array",
        "mount/test_moving::test_a_name_moves_with_all_it_has",
        "mount/test_removal::test_a_project_goes_with_all_it_has",
    ],
    "A raw file is not made (EOPNOTSUPP); the segment is resized through the link": [
        "mount/test_arrays::test_links_can_be_written_through_but_raw_files_are_not_made",
        "mount/test_links::test_an_array_truncated_through_its_link_and_declared_anew_is_whole",
    ],
    "--access forces one": [
        "mount/test_daemon::test_passthrough_that_cannot_be_had_is_one_line",
        "mount/test_daemon::test_a_link_leads_to_the_segment",
    ],
    "The daemon says at start which one runs": [
        "mount/test_daemon::test_it_says_at_start_which_access_runs",
    ],
}

LIFE = {
    "It takes options, a source and a mount point": [
        "mount/test_daemon::test_registry_and_memory_can_be_mount_options",
        "mount/test_daemon::test_it_returns_once_the_mount_answers",
        "mount/test_daemon::test_the_configuration_file_says_where_it_mounts",
        "commands/test_usage::test_wrong_usage",
    ],
    "mount(8) mounts it by its type": [
        "mount/test_daemon::test_it_can_be_mounted_by_its_type",
        "mount/test_daemon::test_it_is_a_mount_of_its_own_type",
    ],
    "A line of fstab does": [
        "mount/test_daemon::test_a_line_of_fstab_mounts_it",
    ],
    "A systemd unit is told when it serves": [
        "mount/test_daemon::test_a_service_manager_is_told_once_it_serves",
    ],
    "It logs to stderr with -f": [
        "mount/test_sidecar_writing::test_a_bad_document_is_refused_and_the_old_one_stays",
    ],
    "And else to syslog": [
        "mount/test_daemon::test_in_the_background_it_logs_to_syslog",
    ],
    "Killed, it loses nothing: mappings and open files go on (what asks the daemon is ENOTCONN, says the manual)": [
        "mount/test_daemon::test_killed_with_open_mappings_it_loses_nothing",
        "mount/test_daemon::test_a_descriptor_of_a_killed_daemon_reads_writes_and_maps",
        "mount/test_daemon::test_what_asks_a_killed_daemon_is_enotconn",
        "mount/test_daemon::test_a_journal_of_a_killed_daemon_is_folded_by_the_next",
        "mount/test_kill::test_killed_at_any_moment_all_that_was_done_is_there",
    ],
    "The next start mounts over the dead mount": [
        "mount/test_daemon::test_it_starts_over_a_dead_mount",
        "mount/test_daemon::test_killed_again_and_again_mounts_do_not_pile_up",
        "mount/test_daemon::test_it_serves_what_was_loaded_while_it_was_dead",
    ],
    "SIGTERM unmounts and ends it with status 0": [
        "mount/test_daemon::test_a_signal_unmounts_and_ends_well",
        "mount/test_daemon::test_a_signal_while_it_starts_ends_it_well",
    ],
    "Lazily when it is busy": [
        "mount/test_daemon::test_sigterm_unmounts_even_when_busy",
    ],
    "Only the loader has libhdf5": [
        "commands/test_binaries::test_only_the_loader_links_libhdf5",
    ],
}

PROMISES = {
    "What is seen": SEEN,
    "Names": NAMES,
    "Owners and modes": OWNERS,
    "Array files": ARRAY_FILES,
    "Sidecars": SIDECARS,
    "Directories": DIRECTORIES,
    "Views": VIEWS,
    "Extended attributes": EXTENDED_ATTRIBUTES,
    "Round trip": ROUND_TRIP,
    "Coherence": COHERENCE,
    "Who may do what": WHO_MAY,
    "Broken and missing": BROKEN,
    "Nothing half-done": NOTHING_HALF_DONE,
    "Without passthrough": WITHOUT_PASSTHROUGH,
    "Life of the daemon": LIFE,
}


@functools.lru_cache(maxsize=None)
def functions_of(module):
    """Of a file of tests in Python or, below unit, in C."""
    if module.startswith("unit/"):
        text = (TESTS / f"{module}.c").read_text(encoding="utf-8")
        return set(re.findall(r"^static void (\w+)\(void \*\*state\)", text, re.MULTILINE))
    tree = ast.parse((TESTS / f"{module}.py").read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def exists(test):
    """"module::function"; of a file of C its name alone will do."""
    module, _, function = test.partition("::")
    try:
        functions = functions_of(module)
    except FileNotFoundError:
        return False
    return function in functions if function else module.startswith("unit/")


def is_a_test(test):
    return test.startswith("unit/") or re.search(r"/test_\w+::test_\w+$", test) is not None


@pytest.mark.parametrize("heading", PROMISES)
def test_every_test_that_is_named_exists(heading):
    named = {test for tests in PROMISES[heading].values() for test in tests}
    assert sorted(test for test in named if not (is_a_test(test) and exists(test))) == []


@pytest.mark.parametrize("heading", PROMISES)
def test_every_promise_has_a_test(heading):
    assert PROMISES[heading]
    assert [promise for promise, tests in PROMISES[heading].items() if not tests] == []


@pytest.mark.parametrize("heading", PROMISES)
def test_no_test_is_named_twice_for_a_promise(heading):
    counts = {promise: collections.Counter(tests) for promise, tests in PROMISES[heading].items()}
    assert {promise: count for promise, count in counts.items() if count and max(count.values()) > 1} == {}


def test_no_promise_is_made_twice():
    counts = collections.Counter(promise for promises in PROMISES.values() for promise in promises)
    assert [promise for promise, count in counts.items() if count > 1] == []


NONE = ["mount/test_none::test_x", "mount/test_contract::test_none", "unit/test_none", "mount/test_kill"]


@pytest.mark.parametrize("test", NONE)
def test_what_does_not_exist_is_noticed(test):
    assert not exists(test)


def test_what_exists_is_found():
    assert exists("mount/test_contract::test_what_exists_is_found") and exists("unit/test_names")
    assert exists("mount/test_kill::close")  # in a class
