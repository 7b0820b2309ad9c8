//! The checked-in reference is what the table renders.

#[test]
fn the_pages_are_up_to_date() {
    for (path, checked_in, rendered) in [
        (
            "docs/reference/settings.md",
            include_str!("../../../../docs/reference/settings.md"),
            proto::reference::settings_page(),
        ),
        ("docs/reference/csp.md", include_str!("../../../../docs/reference/csp.md"), proto::reference::csp_page()),
        ("docs/reference/LAPS.ddf", include_str!("../../../../docs/reference/LAPS.ddf"), proto::ddf::render()),
        ("docs/reference/LAPS.admx", include_str!("../../../../docs/reference/LAPS.admx"), proto::admx::render_admx()),
        (
            "docs/reference/en-US/LAPS.adml",
            include_str!("../../../../docs/reference/en-US/LAPS.adml"),
            proto::admx::render_adml(),
        ),
    ] {
        assert!(checked_in == rendered, "{path} differs from the table: write the generated files again");
    }
}
