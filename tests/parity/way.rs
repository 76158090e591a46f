//! The ways to name the tenant: prom-label-proxy's flags for each, and what a request says.

/// The label that is enforced.
pub(super) const LABEL: &str = "tenant";

/// The pattern of the ways with one. It matches two tenants.
const PATTERN: &str = "team-(fruit|veg.*)";

/// How the tenant is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// A header.
    Header,
    /// A parameter, where the request's others are.
    Parameter,
    /// A flag.
    Fixed,
    /// Two lines of a header.
    Several,
    /// Two flags.
    FixedSeveral,
    /// A header with a list.
    List,
    /// A header with a pattern.
    Pattern,
    /// As [`Way::Header`], with `-error-on-replace`.
    Strict,
    /// As [`Way::Several`], with `-error-on-replace`.
    StrictSeveral,
    /// As [`Way::Pattern`], with `-error-on-replace`.
    StrictPattern,
}

/// What the tenant may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenant {
    Values(&'static [&'static str]),
    Pattern(&'static str),
}

impl Way {
    pub(super) const ALL: [Self; 10] = [
        Self::Header,
        Self::Parameter,
        Self::Fixed,
        Self::Several,
        Self::FixedSeveral,
        Self::List,
        Self::Pattern,
        Self::Strict,
        Self::StrictSeveral,
        Self::StrictPattern,
    ];

    /// The heading of its column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Parameter => "parameter",
            Self::Fixed => "fixed",
            Self::Several => "several",
            Self::FixedSeveral => "fixed+",
            Self::List => "list",
            Self::Pattern => "pattern",
            Self::Strict => "strict",
            Self::StrictSeveral => "strict+",
            Self::StrictPattern => "strict~",
        }
    }

    /// prom-label-proxy's flags, but for its addresses.
    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Header | Self::Several => &["-header-name=X-Tenant"],
            Self::Parameter => &["-query-param=tenant"],
            Self::Fixed => &["-label-value=team-fruit"],
            Self::FixedSeveral => &["-label-value=team-veggie", "-label-value=team-fruit"],
            Self::List => &["-header-name=X-Tenant", "-header-uses-list-syntax"],
            Self::Pattern => &["-header-name=X-Tenant", "-regex-match"],
            Self::Strict | Self::StrictSeveral => &["-header-name=X-Tenant", "-error-on-replace"],
            Self::StrictPattern => &["-header-name=X-Tenant", "-regex-match", "-error-on-replace"],
        }
    }

    pub(super) fn tenant(self) -> Tenant {
        match self {
            Self::Header | Self::Parameter | Self::Fixed | Self::Strict => Tenant::Values(&["team-fruit"]),
            Self::Several | Self::FixedSeveral | Self::List | Self::StrictSeveral => {
                Tenant::Values(&["team-fruit", "team-veggie"])
            }
            Self::Pattern | Self::StrictPattern => Tenant::Pattern(PATTERN),
        }
    }

    /// The values of the header that names the tenant, a line each.
    pub(super) fn header_lines(self) -> &'static [&'static str] {
        match self {
            Self::Header | Self::Strict => &["team-fruit"],
            Self::Several | Self::StrictSeveral => &["team-veggie", "team-fruit"],
            Self::List => &["team-veggie , team-fruit"],
            Self::Pattern | Self::StrictPattern => &[PATTERN],
            Self::Parameter | Self::Fixed | Self::FixedSeveral => &[],
        }
    }

    /// Whether a matcher that cannot agree is refused.
    pub(super) fn is_strict(self) -> bool {
        self.flags().contains(&"-error-on-replace")
    }
}

impl Tenant {
    /// The type and value of the matcher that enforces it.
    pub(super) fn matcher(self) -> (&'static str, String) {
        match self {
            Self::Values([value]) => ("=", (*value).to_owned()),
            Self::Values(values) => ("=~", values.join("|")),
            Self::Pattern(pattern) => ("=~", pattern.to_owned()),
        }
    }
}
