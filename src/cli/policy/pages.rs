//! The page of a policy, from its METADATA, its examples and the shipped profiles. `policy docs` writes it
//! as Markdown, `explain` prints it on the terminal.

use std::collections::{BTreeMap, BTreeSet};

use super::standing::{Standing, TIERS, skippable, standing, tier_name};
use crate::admission::ReviewMode;
use crate::cli::example::{self, Example, SinglePolicySets};
use crate::decision::message::{refusal, warnings};
use crate::policy::parameters::{Parameter, ParameterType};
use crate::policy::{Action, Patches, Policy};
use crate::policyset::{CompileOptions, PolicySet, Sources};
use crate::report::page::Block;
use crate::review::Unobserved;
use crate::source::catalogue::Catalogue;

/// The policies under every shipped profile.
pub struct Library {
    catalogue: Catalogue,
    /// Its sources without a profile.
    unbound: Sources,
    /// By profile.
    sets: BTreeMap<String, PolicySet>,
}

impl Library {
    pub fn new(catalogue: Catalogue) -> anyhow::Result<Self> {
        let mut sets: BTreeMap<String, PolicySet> = BTreeMap::new();
        for profile in catalogue.profiles() {
            let sources = catalogue.sources(&profile).map_err(crate::diagnostic::Diagnostics::from)?;
            let options = CompileOptions { reuse: sets.values().next(), ..CompileOptions::default() };
            let set = PolicySet::compile(&sources, options)?;
            sets.insert(profile, set);
        }
        anyhow::ensure!(!sets.is_empty(), "there is no profile in policies/profiles");
        Ok(Self { unbound: catalogue.unbound(), catalogue, sets })
    }

    /// All policies, in the order of their files.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.sets.values().take(1).flat_map(PolicySet::policies)
    }

    /// The page of one policy.
    pub fn page(&self, policy: &Policy) -> anyhow::Result<Vec<Block>> {
        let mut page = vec![
            Block::Title(policy.id.to_string()),
            Block::Text(format!("{}.", policy.title.trim_end_matches('.'))),
            Block::List(facts(policy)),
            heading("Why"),
        ];
        page.extend(policy.why.as_deref().map(|why| Block::Text(sentence(why))));
        page.extend([
            Block::Text(policy.description.to_string()),
            heading("How to fix it"),
            Block::Text(policy.fix.to_string()),
        ]);
        page.extend(self.examples(policy)?);
        page.push(heading("Behaviour by profile"));
        page.push(self.standings(policy));
        let patches = self.sets.values().map(|set| standing(set, policy, None));
        page.extend(parameters(
            policy,
            patches.into_iter().any(|standing| standing.mutates || standing.fixes),
        ));
        page.push(heading("Exempt an object"));
        page.extend(self.exemption(policy));
        if !policy.related.is_empty() {
            page.push(heading("Read more"));
            page.push(Block::List(policy.related.clone()));
        }
        Ok(page)
    }

    fn exemption(&self, policy: &Policy) -> Vec<Block> {
        let id = &policy.id;
        let kinds: Vec<String> = policy.matches.kinds.iter().map(ToString::to_string).take(1).collect();
        // An exception in a namespace applies to that namespace only.
        let somewhere = |set: &PolicySet| {
            let kinds = policy.matches.kinds.first();
            kinds.and_then(|kind| set.projections().of(kind)).is_none_or(|projection| projection.namespaced)
        };
        let namespace = if self.sets.values().all(somewhere) { ", namespace: my-namespace" } else { "" };
        let mut blocks = vec![
            Block::Text(
                "An administrator exempts named objects with a PolicyException, preferably until a time (`expiresAt`):"
                    .to_owned(),
            ),
            Block::Code(
                "yaml",
                format!(
                    "apiVersion: stategate.io/v1alpha1\nkind: PolicyException\n\
                     metadata: {{name: our-{id}{namespace}}}\nspec:\n  policies: [{id}]\n  \
                     match: {{kinds: [{}], names: [NAME]}}\n  reason: why that is safe here\n",
                    kinds.join(", ")
                ),
            ),
        ];
        let (may, may_not): (Vec<_>, Vec<_>) = self.sets.iter().partition(|(_, set)| skippable(set, policy));
        if may.is_empty() {
            blocks.push(Block::Text("An annotation of the object cannot skip this policy.".to_owned()));
            return blocks;
        }
        let names: Vec<&str> = may_not.iter().map(|(profile, _)| profile.as_str()).collect();
        let but = if names.is_empty() { String::new() } else { format!(" (not under {})", names.join(", ")) };
        blocks.push(Block::Text(format!(
            "An object can skip this policy by its own annotations{but}, permanently or until `stategate.io/skip-until` (a date):"
        )));
        blocks.push(Block::Code(
            "yaml",
            format!(
                "metadata:\n  annotations:\n    stategate.io/skip: {id}\n    \
                 stategate.io/skip-reason: why that is safe here\n"
            ),
        ));
        blocks
    }

    fn standings(&self, policy: &Policy) -> Block {
        let head = std::iter::once("Profile").chain(TIERS.map(tier_name)).map(str::to_owned).collect();
        let row = |(profile, set): (&String, &PolicySet)| {
            let of_tiers = TIERS.map(|tier| standing(set, policy, tier).to_string());
            std::iter::once(profile.clone()).chain(of_tiers).collect()
        };
        Block::Table(head, self.sets.iter().map(row).collect())
    }

    /// The index: the action of each policy under each profile, by category.
    pub fn index(&self, policies: &[&Policy]) -> Vec<Block> {
        let columns = self.columns(policies);
        let head: Vec<String> = ["Policy", "Demands", "Severity"]
            .into_iter()
            .map(str::to_owned)
            .chain(columns.iter().map(Column::title))
            .chain(["Mutates", "Skippable"].map(str::to_owned))
            .collect();
        let mut page = vec![
            Block::Title("Policies".to_owned()),
            Block::Text(format!("{} policies, by category.", policies.len())),
            heading("Behaviour by profile"),
            Block::Text(
                "A violation is refused (deny), answered with a warning (warn) or only recorded (audit); a policy that \
                 is off is not evaluated. A profile that distinguishes Namespaces by their label `stategate.io/tier` has \
                 a column for each tier. A policy that mutates completes the object at admission under the profiles \
                 named; where the column says files, only `stategate fix` applies its patches. An object can skip \
                 a skippable policy by its annotation `stategate.io/skip`."
                    .to_owned(),
            ),
        ];
        let categories: BTreeSet<&str> = policies.iter().map(|policy| &*policy.category).collect();
        for category in categories {
            let rows = policies.iter().filter(|policy| &*policy.category == category).map(|policy| {
                let link = format!("[{}]({}/README.md)", policy.id, folder(policy));
                let about = [link, policy.title.to_string(), policy.severity.to_string()];
                let actions = columns.iter().map(|column| column.standing(policy).action().to_owned());
                let marks = [self.patched(policy), self.under(|set| skippable(set, policy))];
                about.into_iter().chain(actions).chain(marks).collect()
            });
            page.push(heading(category));
            page.push(Block::Table(head.clone(), rows.collect()));
        }
        page
    }

    /// One column for each profile; one for each tier if the profile distinguishes tiers.
    fn columns(&self, policies: &[&Policy]) -> Vec<Column<'_>> {
        let mut columns = Vec::new();
        for (profile, set) in &self.sets {
            let same = |policy: &&Policy| {
                let action = |tier: &Option<&str>| standing(set, policy, *tier).action;
                TIERS.iter().all(|tier| action(tier) == action(&None))
            };
            let of = |tier| Column { profile, set, tier };
            if policies.iter().all(same) {
                columns.push(of(None));
            } else {
                columns.extend(TIERS.map(|tier| of(Some(tier))));
            }
        }
        columns
    }

    /// Where its patches are applied, if it has any.
    fn patched(&self, policy: &Policy) -> String {
        let under = |is: fn(Standing) -> bool| {
            self.under(|set| TIERS.iter().any(|tier| is(standing(set, policy, *tier))))
        };
        match (policy.patches, under(|standing| standing.fixes).as_str()) {
            (Patches::Admission, _) => under(|standing| standing.mutates),
            (Patches::Fix, "no") => "no".to_owned(),
            (Patches::Fix, "yes") => "files".to_owned(),
            (Patches::Fix, profiles) => format!("files: {profiles}"),
        }
    }

    /// `yes`, `no`, or the profiles for which it is true.
    fn under(&self, is: impl Fn(&PolicySet) -> bool) -> String {
        let (of, not): (Vec<_>, Vec<_>) = self.sets.iter().partition(|(_, set)| is(set));
        match (of.as_slice(), not.as_slice()) {
            ([], _) => "no".to_owned(),
            (_, []) => "yes".to_owned(),
            (of, _) => of.iter().map(|(profile, _)| profile.as_str()).collect::<Vec<_>>().join(", "),
        }
    }

    fn examples(&self, policy: &Policy) -> anyhow::Result<Vec<Block>> {
        let folder = folder(policy);
        let all: Vec<Example<'_>> =
            example::all(&self.catalogue).into_iter().filter(|example| example.folder == folder).collect();
        let Some(all_policies) = self.sets.values().next() else { return Ok(Vec::new()) };
        let mut sets = SinglePolicySets::new(all_policies, self.unbound.clone());
        let mut blocks = Vec::new();
        let (refused, accepted) = pair(policy, &all);
        if let Some(example) = refused {
            let set = sets.get(&folder, false)?;
            blocks.push(heading(if policy.action == Action::Deny { "Refused" } else { "Found" }));
            blocks.extend(shown(example));
            blocks.push(Block::Text("stategate answers:".to_owned()));
            blocks.push(Block::Code("text", answer(example, set)?));
        }
        if let Some(example) = accepted {
            blocks.push(heading("Accepted"));
            blocks.extend(shown(example));
        }
        if let Some(example) = all.iter().find(|example| example.expects() == "patch") {
            let judged = example.review(sets.get(&folder, true)?, &Unobserved)?;
            if let Some(patched) = judged.decisions.into_iter().find_map(|decision| decision.patch) {
                blocks.push(heading(match policy.patches {
                    Patches::Admission => "Added at admission",
                    Patches::Fix => "Changed by stategate fix",
                }));
                blocks.push(Block::Text(format!("To `examples/{}`:", example.file)));
                blocks.push(Block::Code("yaml", yaml_serde::to_string(&patched.operations)?));
            }
        }
        Ok(blocks)
    }
}

/// A column of the index: a profile, in Namespaces of one tier or of all.
#[derive(Clone)]
struct Column<'a> {
    profile: &'a str,
    set: &'a PolicySet,
    /// `None`: all tiers.
    tier: Option<Option<&'static str>>,
}

impl Column<'_> {
    fn title(&self) -> String {
        self.tier
            .map_or_else(|| self.profile.to_owned(), |tier| format!("{}, {}", self.profile, tier_name(tier)))
    }

    fn standing(&self, policy: &Policy) -> Standing {
        standing(self.set, policy, self.tier.flatten())
    }
}

/// `storage/storage_class_required`, below `policies/`.
pub fn folder(policy: &Policy) -> String {
    policy.package.split('.').skip(1).collect::<Vec<_>>().join("/")
}

fn heading(text: &str) -> Block {
    Block::Heading(text.to_owned())
}

fn facts(policy: &Policy) -> Vec<String> {
    let operations: Vec<&str> =
        policy.matches.operations.iter().map(|operation| operation.as_str()).collect();
    let mut kinds: Vec<&str> = policy.matches.kinds.iter().map(|kind| kind.kind.as_str()).collect();
    if kinds.is_empty() {
        kinds.push("every kind that holds state");
    }
    let mut facts = vec![
        format!("Severity: {}", policy.severity),
        format!("Category: {}", policy.category),
        format!("Checks: {} of {}", operations.join(" and "), kinds.join(", ")),
    ];
    let of_object = |name: &&String| name.is_empty();
    let (objects, subresources): (Vec<_>, Vec<_>) = policy.matches.subresources.iter().partition(of_object);
    if !subresources.is_empty() {
        let names: Vec<&str> = subresources.into_iter().map(String::as_str).collect();
        let object = if objects.is_empty() { "" } else { ", and the object itself" };
        facts.push(format!("Subresources: {}{object}", names.join(", ")));
    }
    let needed: Vec<String> =
        policy.inventory.iter().map(|(kind, mode)| format!("{kind} ({mode})")).collect();
    if !needed.is_empty() {
        facts.push(format!(
            "Reads other objects from a snapshot: {}; where one that it needs is not known, the outcome is unknown \
             and refuses nothing",
            needed.join(", ")
        ));
    }
    if let Some(action) = policy.at_admission {
        facts.push(format!("At admission at most: {action}, because missing objects may still arrive"));
    }
    if policy.sensitive {
        facts.push("Findings may contain a credential: reports say where it is and never show it".to_owned());
    }
    if policy.patches == Patches::Fix {
        facts.push(
            "Patches files only: `stategate fix` applies its patches, the webhook never does".to_owned(),
        );
    }
    if policy.ratchet && policy.matches.operations.contains(&crate::admission::Operation::Update) {
        facts.push("On an update, a violation that the stored object already has only warns".to_owned());
    }
    facts
}

/// The refused and the accepted example that differ least: the difference shows the point.
fn pair<'a, 'b>(
    policy: &Policy,
    all: &'a [Example<'b>],
) -> (Option<&'a Example<'b>>, Option<&'a Example<'b>>) {
    let of = |kind: &'static str| all.iter().filter(move |example| example.expects() == kind);
    let wanted = if policy.action == Action::Deny { ["deny", "warn"] } else { ["warn", "deny"] };
    let refused = wanted.map(|kind| of(kind).collect::<Vec<_>>()).into_iter().find(|list| !list.is_empty());
    let refused = refused.unwrap_or_default();
    let pairs = refused.iter().flat_map(|bad| of("pass").map(move |good| (*bad, good)));
    match pairs.min_by_key(|(bad, good)| (distance(bad, good), bad.text.text.len())) {
        Some((bad, good)) => (Some(bad), Some(good)),
        None => (refused.first().copied(), of("pass").next()),
    }
}

/// The lines that only one of the two has; a line to remove counts more than a line to add.
fn distance(bad: &Example<'_>, good: &Example<'_>) -> usize {
    let mut count: BTreeMap<&str, isize> = BTreeMap::new();
    for (example, step) in [(bad, -1), (good, 1)] {
        let texts = [Some(example.text), example.old, example.cluster].into_iter().flatten();
        let lines = texts.flat_map(|text| text.text.lines()).filter(|line| !line.starts_with('#'));
        lines.for_each(|line| *count.entry(line).or_default() += step);
    }
    let cost = |lines: &isize| lines.unsigned_abs() * if *lines < 0 { 2 } else { 1 };
    count.values().map(cost).sum()
}

fn shown(example: &Example<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(old) = example.old {
        blocks.push(Block::Text("Before:".to_owned()));
        blocks.push(Block::Code("yaml", old.text.to_string()));
    }
    blocks.push(Block::Text(format!("`examples/{}`:", example.file)));
    blocks.push(Block::Code("yaml", example.text.text.to_string()));
    if let Some(cluster) = example.cluster {
        blocks.push(Block::Text("In the cluster (`--inventory`):".to_owned()));
        blocks.push(Block::Code("yaml", cluster.text.to_string()));
    }
    blocks
}

/// The answer of the API server to the example.
fn answer(example: &Example<'_>, set: &PolicySet) -> anyhow::Result<String> {
    let mut judged = example.review(set, &Unobserved)?;
    // It is that of the example alone.
    let findings = judged.decisions.iter_mut().flat_map(|decision| &mut decision.findings);
    findings.for_each(|finding| finding.binding = None);
    let refused = judged.requests.iter().zip(&judged.decisions).find(|(_, decision)| !decision.allowed());
    if let Some((request, decision)) = refused {
        return Ok(refusal(request, decision));
    }
    let warnings =
        judged.decisions.iter().flat_map(|decision| warnings(decision, ReviewMode::MutateAndValidate));
    let answer: String = warnings.map(|warning| format!("Warning: {warning}\n")).collect();
    anyhow::ensure!(
        !answer.is_empty(),
        "{}: has no finding; `stategate test` prints more",
        example.text.name
    );
    Ok(answer)
}

fn parameters(policy: &Policy, mutates: bool) -> Vec<Block> {
    if policy.parameters.is_empty() {
        return vec![heading("Parameters"), Block::Text("None.".to_owned())];
    }
    let head = ["Parameter", "Type", "Default", "Description"].map(str::to_owned).to_vec();
    let rows = policy.parameters.iter().map(|(name, parameter)| {
        vec![
            format!("`{name}`"),
            type_of(parameter),
            format!("`{}`", parameter.default),
            parameter.description.clone(),
        ]
    });
    vec![
        heading("Parameters"),
        Block::Table(head, rows.collect()),
        Block::Text(
            "Set other values in a binding of your own (`--bindings FILE`), starting from the defaults below. \
             `override` replaces the bindings of the profile for this policy: the action is then the policy's \
             own unless you set `action`, in every Namespace unless you narrow `match`."
                .to_owned(),
        ),
        Block::Code("yaml", binding(policy, mutates)),
    ]
}

fn type_of(parameter: &Parameter) -> String {
    let name = |kind: ParameterType| format!("{kind:?}").to_lowercase();
    match parameter.of {
        Some(of) => format!("{} of {}", name(parameter.kind), name(of)),
        None => name(parameter.kind),
    }
}

/// A binding with the default values.
fn binding(policy: &Policy, mutates: bool) -> String {
    let values: String = policy
        .parameters
        .iter()
        .map(|(name, parameter)| format!("      {name}: {}\n", parameter.default))
        .collect();
    let id = &policy.id;
    let mutate = if mutates { "  mutate: true\n" } else { "" };
    format!(
        "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: our-{id}}}\nspec:\n  \
         policies: {{ids: [{id}]}}\n  override: true\n{mutate}  parameters:\n    {id}:\n{values}"
    )
}

/// A reason as a sentence: METADATA has it as it stands behind `why:`, without a full stop.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let text: String = first.chain(letters).collect();
    if text.ends_with('.') { text } else { text + "." }
}
