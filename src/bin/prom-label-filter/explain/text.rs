//! An explanation for people.

use crate::facts::{AnswerPlan, Decision, Label, Parameter, ParameterPlace, Reads, Refused, Upstream, Verdict};
use crate::verify::Reading;
use std::fmt::{self, Write};

/// Everything that `decision` says, without a line feed at its end.
pub(super) fn of(decision: &Decision) -> String {
    let mut out = String::new();
    // Writing to memory cannot fail.
    let _written = write(&mut out, decision);
    out.truncate(out.trim_end().len());
    out
}

fn write(out: &mut String, decision: &Decision) -> fmt::Result {
    if let Some(endpoint) = decision.endpoint {
        writeln!(out, "endpoint  {endpoint}")?;
    }
    for label in decision.tenant.iter().flatten() {
        tenant(out, label)?;
    }
    match &decision.verdict {
        Verdict::Forwarded { upstream, answer } => {
            writeln!(out, "verdict   goes upstream\n")?;
            request(out, upstream)?;
            writeln!(out)?;
            for parameter in &upstream.parameters {
                if let Some(reading) = &parameter.promql_parser {
                    verification(out, &parameter.name, reading)?;
                }
            }
            let plan = match answer {
                AnswerPlan::Passes => "passes untouched",
                AnswerPlan::Scrubbed => "passes, with constant text for warnings and errors",
                AnswerPlan::Filtered => "filtered: what is not the tenant's is taken out",
            };
            writeln!(out, "answer    {plan}")
        }
        Verdict::Depends { asked, upstream } => {
            writeln!(out, "verdict   depends on whose the silence is\n")?;
            writeln!(out, "first     GET {} from the cluster {}", asked.path, asked.cluster)?;
            writeln!(out, "then      goes upstream if it is the tenant's own, else 404 as if there were none")?;
            if let Some(upstream) = upstream {
                writeln!(out)?;
                request(out, upstream)?;
            }
            Ok(())
        }
        Verdict::Answered(answered) => {
            writeln!(out, "verdict   answered here with {}; nothing goes upstream", answered.status)?;
            if let Some(allow) = answered.allow {
                writeln!(out, "allow     {allow}")?;
            }
            if !answered.body.is_empty() {
                writeln!(out, "body      {}", answered.body)?;
            }
            Ok(())
        }
        Verdict::Refused(refused) => refusal(out, refused),
    }
}

fn tenant(out: &mut String, Label { label, reads }: &Label) -> fmt::Result {
    write!(out, "tenant    {label} ")?;
    match reads {
        Reads::Values(values) if values.len() == 1 => writeln!(out, "is {}", values.concat()),
        Reads::Values(values) => writeln!(out, "is one of {}", values.join(", ")),
        Reads::Pattern(pattern) => writeln!(out, "matches {pattern}"),
        Reads::Lifted(_) => writeln!(out, "is lifted: everything is read (danger_unrestricted)"),
    }
}

/// As one would see it on the wire, but for the encoding of parameters.
fn request(out: &mut String, upstream: &Upstream) -> fmt::Result {
    writeln!(out, "  {} {}", upstream.method, printable(&upstream.path))?;
    for name in &upstream.headers_removed {
        writeln!(out, "  header removed  {name}")?;
    }
    for header in &upstream.headers_set {
        writeln!(out, "  header set      {}: {}", header.name, header.value)?;
    }
    for Parameter { place, name, value, .. } in &upstream.parameters {
        let place = match place {
            ParameterPlace::Url => "in the URL",
            ParameterPlace::Form => "in the form",
        };
        writeln!(out, "  {place:<14}  {}={}", printable(name), printable(value))?;
    }
    if let Some(body) = &upstream.body {
        writeln!(out, "  body            {}", printable(body))?;
    }
    Ok(())
}

fn verification(out: &mut String, name: &str, reading: &Reading) -> fmt::Result {
    match reading {
        Reading::Read { pretty, selectors, without_tenant } => {
            if let Some(pretty) = pretty.as_ref().filter(|pretty| pretty.contains('\n')) {
                writeln!(out, "{name}, printed by promql-parser:")?;
                pretty.lines().try_for_each(|line| writeln!(out, "  {}", printable(line)))?;
            }
            let carry = selectors.saturating_sub(without_tenant.len());
            writeln!(
                out,
                "verified  by promql-parser: {carry} of {selectors} selectors of {name} carry the tenant's matchers"
            )?;
            if !without_tenant.is_empty() {
                let lacking = printable(&without_tenant.join(", "));
                writeln!(out, "WRONG     {lacking}: not narrowed; this is a defect of the filter, please report it")?;
            }
            Ok(())
        }
        Reading::Unread { error } => writeln!(
            out,
            "verified  not: promql-parser does not take {name}, which is newer than it or very long ({})",
            printable(error)
        ),
    }
}

fn refusal(out: &mut String, refused: &Refused) -> fmt::Result {
    writeln!(out, "verdict   refused with {}", refused.status)?;
    writeln!(out, "error     {}", printable(&refused.message))?;
    writeln!(out, "type      {}", refused.error_type)?;
    writeln!(out, "reason    {}", refused.reason)?;
    if let Some(header) = &refused.header {
        writeln!(out, "header    {}: {}", header.name, header.value)?;
    }
    if refused.head_was_sent {
        writeln!(out, "upstream  saw the head without a parameter, then the end of the request")?;
    }
    Ok(())
}

/// On one line, and with nothing that a terminal would obey.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { out.extend(letter.escape_default()) } else { out.push(letter) }
    }
    out
}
