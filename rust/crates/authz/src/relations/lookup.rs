//! The questions backwards: on what does a subject have a permission, and who has it on a place. Both in pages.

use std::collections::{BTreeMap, BTreeSet};

use panthera_base::{BucketId, TenantId};

use crate::error::AuthzError;
use crate::model::condition::Tri;
use crate::model::{Grantee, Kind, Permission, Relation, bits};
use crate::relations::engine::{Engine, Moment, Pinned, Spot};
use crate::relations::explain::levels;
use crate::relations::ranges::{Next, Visible};
use crate::relations::resolve::{Depends, Principal};

/// Most subjects one lookup gathers before it gives up: a group of a million and everything beside it.
pub const SUBJECTS: usize = 4_000_000;

/// Entries beyond twice the merged ones at which they are merged: keeps what several groups give to the same subjects from
/// filling the memory.
const UNMERGED: usize = 1 << 16;

/// Keys that a subject has a permission on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key after it that is not meant; `None` for the bucket's end.
    pub end: Option<Vec<u8>>,
}

impl FoundRange {
    /// The object, if the range is exactly one key.
    pub fn object(&self) -> Option<&[u8]> {
        let end = self.end.as_deref()?;
        (end.strip_suffix(&[0]) == Some(&self.start)).then_some(&*self.start)
    }
}

/// A page of ranges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourcePage {
    /// Ascending and disjoint.
    pub ranges: Vec<FoundRange>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<Vec<u8>>,
    /// The state they were computed from.
    pub revision: u64,
}

/// A page of subjects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectPage {
    /// Users, services and shares that have the permission, ascending; and groups of other tenants, whose members
    /// are not ours to tell.
    pub subjects: Vec<Grantee>,
    /// Classes (anyone, authenticated, members of a tenant) whose subjects have it, except those in a narrower class
    /// of `excluded_classes` and those in `excluded`.
    pub classes: Vec<Grantee>,
    /// Classes whose subjects do not have it though a wider class has.
    pub excluded_classes: Vec<Grantee>,
    /// Users, services, shares and other tenants' groups to whom it is denied though a class has it.
    pub excluded: Vec<Grantee>,
    /// Ask again with this; `None` after the last page.
    pub cursor: Option<Grantee>,
    /// The state they were computed from.
    pub revision: u64,
}

/// What a subject gathers on the way down.
#[derive(Clone, Copy, Default)]
struct Held {
    allow: u32,
    deny: u32,
}

impl Engine {
    /// The keys of a bucket on which the principal has the permission, as ranges: at the cost of grants, not of keys.
    #[allow(clippy::too_many_arguments)]
    pub fn lookup_resources(
        &self,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        bucket: BucketId,
        cursor: Option<&[u8]>,
        limit: usize,
        moment: &Moment,
    ) -> Result<ResourcePage, AuthzError> {
        Ok(page_of(Visible::open(self, principal, permission, tenant, bucket, b"", moment)?, cursor, limit))
    }

    /// The keys of a bucket on which no deny takes the permission from the principal: where another source's allow counts.
    #[allow(clippy::too_many_arguments)]
    pub fn lookup_undenied(
        &self,
        principal: Principal,
        permission: Permission,
        tenant: TenantId,
        bucket: BucketId,
        cursor: Option<&[u8]>,
        limit: usize,
        moment: &Moment,
    ) -> Result<ResourcePage, AuthzError> {
        let all = Visible::open(self, principal, permission, tenant, bucket, b"", moment)?;
        Ok(page_of(all.undenied(), cursor, limit))
    }

    /// Who has the permission on a place, after `cursor`.
    pub fn lookup_subjects(
        &self,
        permission: Permission,
        tenant: TenantId,
        spot: Spot<'_>,
        cursor: Option<Grantee>,
        limit: usize,
        moment: &Moment,
    ) -> Result<SubjectPage, AuthzError> {
        spot.validate()?;
        let nobody = Principal { grantee: Grantee::ANYONE, admin: false };
        let pinned = self.pin(nobody, tenant, spot.bucket(), moment)?;
        let mut search = Search { pinned: &pinned, moment, found: Vec::new(), merged: 0 };
        for (grantee, held) in direct(&pinned, spot, moment)? {
            search.spread(grantee, held)?;
        }
        search.merge()?;
        Ok(search.page(permission, cursor, limit))
    }
}

/// Up to `limit` ranges from the cursor on.
fn page_of(mut all: Visible, cursor: Option<&[u8]>, limit: usize) -> ResourcePage {
    let mut page = ResourcePage { ranges: Vec::new(), cursor: None, revision: all.revision() };
    let mut from = cursor.unwrap_or_default().to_vec();
    loop {
        match all.visible(&from) {
            Next::End => return page,
            Next::Skip { to } => from = to.to_vec(),
            Next::Allowed { until } => {
                let end = until.map(<[u8]>::to_vec);
                let full = page.ranges.len() == limit;
                match page.ranges.last_mut().filter(|last| last.end.as_ref() == Some(&from)) {
                    Some(last) => last.end = end.clone(),
                    None if full => {
                        page.cursor = Some(from);
                        return page;
                    }
                    None => page.ranges.push(FoundRange { start: from.clone(), end: end.clone() }),
                }
                match end {
                    Some(end) => from = end,
                    None => return page,
                }
            }
        }
    }
}

/// What each grantee that is named on the way down holds at its end.
fn direct(pinned: &Pinned, spot: Spot<'_>, moment: &Moment) -> Result<BTreeMap<Grantee, Held>, AuthzError> {
    let mut all: BTreeMap<Grantee, Held> = BTreeMap::new();
    let mut kept: BTreeMap<Grantee, u32> = BTreeMap::new();
    for (place, tuples) in levels(pinned, spot)? {
        if tuples.iter().any(|(_, q)| q.relation == Relation::Isolated) {
            all.iter_mut().for_each(|(g, held)| held.allow = kept.get(g).copied().unwrap_or(0));
        }
        // A flag is nobody's; it would stand before the classes, too, which `page` takes to be first.
        for (grantee, qualifier) in tuples.into_iter().filter(|(g, _)| g.kind() != Kind::Itself) {
            let held = all.entry(grantee).or_default();
            let bit = qualifier.relation.bit();
            match Depends::default().on(&qualifier, moment.now, &moment.facts) {
                Tri::True => {
                    held.allow |= bit;
                    held.deny |= bit;
                    let keep = match place {
                        crate::model::Place::Tenant if bit & (bits::OWNER | bits::ADMIN) != 0 => {
                            bit | bits::TENANT_ADMIN
                        }
                        crate::model::Place::Bucket(_) => bit & bits::OWNER,
                        _ => 0,
                    };
                    held.allow |= keep;
                    *kept.entry(grantee).or_default() |= keep;
                }
                Tri::Unknown => held.deny |= bit,
                Tri::False => {}
            }
        }
    }
    Ok(all)
}

struct Search<'a> {
    pinned: &'a Pinned,
    moment: &'a Moment,
    /// The first `merged` ascending, each grantee once; behind them what was given since. A group's members come in
    /// order, so appending and merging the runs costs a tenth of a tree.
    found: Vec<(Grantee, Held)>,
    merged: usize,
}

impl Search<'_> {
    /// Gives what a grantee holds to everybody it stands for.
    fn spread(&mut self, grantee: Grantee, held: Held) -> Result<(), AuthzError> {
        if held.allow == 0 && held.deny == 0 {
            return Ok(());
        }
        let tenant = self.pinned.tenant;
        let ids = &self.pinned.root.ids;
        let (mut sure, mut possible) = (BTreeSet::from([grantee]), BTreeSet::from([grantee]));
        let mut todo = vec![(grantee, ids.usable(grantee, tenant))];
        while let Some((at, surely)) = todo.pop() {
            if !at.is_container() || at.tenant() != tenant {
                self.give(at, held, surely)?;
                continue;
            }
            for (member, edge) in ids.of_target(at, Grantee::ITSELF).filter(|(m, _)| m.kind() != Kind::Itself) {
                let mut outcome = if edge.mask & bits::CONTAINS != 0 { Tri::True } else { Tri::False };
                for q in edge.qualifiers.iter().filter(|q| q.relation.bit() & bits::CONTAINS != 0) {
                    outcome = Depends::default().on(q, self.moment.now, &self.moment.facts);
                }
                let surely = surely && outcome == Tri::True && ids.crosses(member, at);
                // Who contains nobody need not be remembered: to be given the same twice changes nothing.
                if !member.is_container() {
                    if outcome != Tri::False {
                        self.give(member, held, surely)?;
                    }
                    continue;
                }
                let new = outcome != Tri::False && (possible.insert(member) | (surely && sure.insert(member)));
                if new {
                    todo.push((member, surely));
                }
            }
        }
        Ok(())
    }

    fn give(&mut self, subject: Grantee, held: Held, surely: bool) -> Result<(), AuthzError> {
        self.found.push((subject, Held { allow: if surely { held.allow } else { 0 }, deny: held.deny }));
        if self.found.len() > 2 * self.merged + UNMERGED { self.merge() } else { Ok(()) }
    }

    /// Adds up what each was given.
    fn merge(&mut self) -> Result<(), AuthzError> {
        self.found.sort_by_key(|(grantee, _)| *grantee);
        self.found.dedup_by(|(grantee, more), (kept, sum)| {
            let same = grantee == kept;
            if same {
                (sum.allow, sum.deny) = (sum.allow | more.allow, sum.deny | more.deny);
            }
            same
        });
        self.merged = self.found.len();
        if self.merged > SUBJECTS {
            return Err(AuthzError::Limit(format!("more than {SUBJECTS} subjects")));
        }
        Ok(())
    }

    fn page(&self, permission: Permission, cursor: Option<Grantee>, limit: usize) -> SubjectPage {
        let is_class = |g: &Grantee| matches!(g.kind(), Kind::Anyone | Kind::Authenticated | Kind::TenantMember);
        let found = |g: &Grantee| self.found.binary_search_by_key(g, |(grantee, _)| *grantee);
        let held = |g: &Grantee| found(g).map_or_else(|_| Held::default(), |at| self.found[at].1);
        let with = |a: Held, b: Held| Held { allow: a.allow | b.allow, deny: a.deny | b.deny };
        let anyone = held(&Grantee::ANYONE);
        let signed = with(anyone, held(&Grantee::AUTHENTICATED));
        // Classes sort before those who are in them.
        let by_tenant =
            self.found.iter().map(|(g, _)| g).take_while(|g| is_class(g)).any(|g| g.kind() == Kind::TenantMember);
        let members = |g: Grantee| match Grantee::tenant_member(g.tenant()) {
            Ok(all) if by_tenant => with(signed, held(&all)),
            _ => signed,
        };
        let around = |g: Grantee| match g.kind() {
            // What everybody may is not the share's, what nobody may is not either.
            Kind::Share => Held { allow: 0, ..anyone },
            Kind::Anyone => anyone,
            Kind::Authenticated => signed,
            _ => members(g),
        };
        let total = |g: &Grantee| with(held(g), around(*g));
        let rule = self.pinned.rule(permission);
        let gives = |h: Held| rule.holds(h.allow, h.deny);
        let named = self.found.iter().map(|(g, _)| *g).filter(is_class);
        let (classes, rest): (Vec<_>, Vec<_>) = named.partition(|g| gives(total(g)));
        let wider = |g: &Grantee| if g.kind() == Kind::TenantMember { signed } else { anyone };
        let excluded_classes = rest.into_iter().filter(|g| gives(wider(g))).collect();
        let after = self.found.iter().copied().filter(|(g, _)| !is_class(g));
        let after = after.filter(|(g, _)| g.kind() != Kind::Itself && cursor.is_none_or(|c| *g > c));
        let mut page = SubjectPage {
            subjects: Vec::new(),
            classes,
            excluded_classes,
            excluded: Vec::new(),
            cursor: None,
            revision: self.pinned.root.revision,
        };
        let mut last = None;
        for (grantee, own) in after {
            let wide = around(grantee);
            let list = match (gives(with(own, wide)), gives(wide)) {
                (true, _) => &mut page.subjects,
                (false, true) => &mut page.excluded,
                (false, false) => continue,
            };
            if list.len() == limit {
                page.cursor = last;
                break;
            }
            list.push(grantee);
            last = Some(grantee);
        }
        page
    }
}
