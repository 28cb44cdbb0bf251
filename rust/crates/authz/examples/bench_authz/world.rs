//! A world like T10: keys in folders six levels deep, groups nested five deep, grants on folders and objects, one
//! percent denies, one percent that expire, asked for by Zipf's law.

use panthera_authz::{Grantee, Place, Relation, Spot, Target, Tuple};
use panthera_base::{BucketId, TenantId, Timestamp, UserId};
use panthera_meta::memory::Memory;
use panthera_meta::{Batch, Metastore};

pub const HOME: TenantId = TenantId(1);
pub const BUCKET: BucketId = BucketId(1);
const LEVELS: usize = 5;

pub struct World {
    rng: u64,
    users: usize,
    groups: usize,
    folders: usize,
    denied: Vec<usize>,
}

impl World {
    /// Tuples: 2 % memberships of users (two groups each), 1 % groups in groups (one each), 37 % on folders, 60 % on
    /// objects.
    pub fn build(tuples: usize, seed: u64) -> Result<(Self, Memory), Box<dyn std::error::Error>> {
        let scale = |n: usize| (n * tuples / 10_000_000).max(100);
        let mut world = Self {
            rng: seed,
            users: scale(100_000),
            groups: scale(100_000),
            folders: scale(100_000),
            denied: Vec::new(),
        };
        let meta = Memory::new();
        let mut batch = Batch::default();
        for i in 0..tuples {
            let mut tuple = match i % 100 {
                0..=1 => world.member(),
                2 => world.group_edge(),
                3..=39 => world.grant(),
                _ => world.object(),
            };
            if i % 100 == 99 {
                tuple = tuple.until(Timestamp(2_000_000));
            }
            let (key, value) = panthera_authz::tuple_row(&tuple);
            batch.put(key, value);
            if batch.ops.len() == 100_000 {
                meta.commit(&std::mem::take(&mut batch))?;
            }
        }
        meta.commit(&batch)?;
        Ok((world, meta))
    }

    fn next(&mut self) -> u64 {
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// About Zipf with exponent 1: as likely in each octave.
    fn zipf(&mut self, n: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((n as f64).powf(unit) as usize).saturating_sub(1).min(n - 1)
    }

    fn path(&self, folder: usize) -> Vec<u8> {
        let mut path = Vec::new();
        let mut rest = folder;
        for level in 0..LEVELS {
            path.extend_from_slice(format!("d{level}-{:03}/", rest % 10).as_bytes());
            rest /= 10;
        }
        path.extend_from_slice(format!("f{rest:06}/").as_bytes());
        path
    }

    pub fn folder(&mut self) -> Vec<u8> {
        let folder = self.zipf(self.folders);
        self.path(folder)
    }

    pub fn key(&mut self) -> Vec<u8> {
        let mut key = self.folder();
        key.extend_from_slice(format!("object-{:04}.parquet", self.below(100)).as_bytes());
        key
    }

    pub fn denied_key(&mut self) -> Vec<u8> {
        let at = self.below(self.denied.len());
        let mut key = self.path(self.denied.get(at).copied().unwrap_or(0));
        key.extend_from_slice(b"object-0001.parquet");
        key
    }

    pub fn folder_of_keys(&mut self, n: usize) -> Vec<Vec<u8>> {
        let folder = self.folder();
        (0..n).map(|i| [&folder, format!("object-{i:04}.parquet").as_bytes()].concat()).collect()
    }

    fn number(id: usize) -> u32 {
        id as u32 + 1
    }

    fn as_user(id: usize) -> Grantee {
        Grantee::user(HOME, UserId(Self::number(id))).unwrap_or(Grantee::ANYONE)
    }

    fn as_group(id: usize) -> Grantee {
        Grantee::group(HOME, Self::number(id)).unwrap_or(Grantee::ANYONE)
    }

    pub fn user(&mut self) -> Grantee {
        Self::as_user(self.zipf(self.users))
    }

    pub fn stranger(&self) -> Grantee {
        Self::as_user(self.users + 1)
    }

    fn tuple(place: Place, relation: Relation, grantee: Grantee) -> Tuple {
        Tuple::new(Target::new(HOME, place), relation, grantee)
    }

    fn member(&mut self) -> Tuple {
        let (group, user) = (self.below(self.groups), self.below(self.users));
        Self::tuple(Place::Group(Self::number(group)), Relation::Member, Self::as_user(user))
    }

    /// Groups of level l hold groups of level l + 1, five levels.
    pub fn group_edge(&mut self) -> Tuple {
        let band = (self.groups / 5).max(1);
        let (level, parent, child) = (self.below(4), self.below(band), self.below(band));
        let (parent, child) = (level * band + parent, (level + 1) * band + child);
        Self::tuple(Place::Group(Self::number(parent)), Relation::Member, Self::as_group(child))
    }

    pub fn grant(&mut self) -> Tuple {
        let folder = self.below(self.folders);
        let group = self.below(self.groups);
        if self.below(30) == 0 {
            self.denied.push(folder);
            return Self::tuple(Place::Prefix(BUCKET, self.path(folder)), Relation::DenyRead, Self::as_group(group));
        }
        let relation = [Relation::Reader, Relation::Lister, Relation::Writer][self.below(3)];
        Self::tuple(Place::Prefix(BUCKET, self.path(folder)), relation, Self::as_group(group))
    }

    fn object(&mut self) -> Tuple {
        let folder = self.below(self.folders);
        let key = [&self.path(folder), format!("object-{:04}.parquet", self.below(100)).as_bytes()].concat();
        let grantee = if self.below(2) == 0 {
            Self::as_user(self.below(self.users))
        } else {
            Self::as_group(self.below(self.groups))
        };
        Self::tuple(Place::Object(BUCKET, key), Relation::Reader, grantee)
    }

    pub fn member_of_crowd(&mut self) -> Tuple {
        let user = self.users + self.below(self.users);
        Self::tuple(Place::Group(1), Relation::Member, Self::as_user(user))
    }

    /// A group of so many users that reads one object, and the object.
    pub fn crowd(&self, users: usize) -> (Vec<Tuple>, Spot<'static>) {
        const KEY: &[u8] = b"for-the-crowd";
        let group = Self::number(self.groups + 1);
        let members = (0..users).map(|u| Self::tuple(Place::Group(group), Relation::Member, Self::as_user(u)));
        let grant = Self::tuple(Place::Object(BUCKET, KEY.to_vec()), Relation::Reader, Self::as_group(self.groups + 1));
        (members.chain([grant]).collect(), Spot::Object(BUCKET, KEY))
    }
}
