//! Whether the modules of a crate, or of one module in it, use each other in the order that their documentation says.
//!
//! The order is a table of Markdown in the documentation of the root module, `lib.rs` or `mod.rs`. Its second column has the
//! heading `modules` and names them between back-ticks:
//!
//! ```text
//! //! | layer | modules | what they are |
//! //! |---|---|---|
//! //! | the gateway | `builder` `gateway` | what tests hold in their hands |
//! //! | values | `headers` | what all others are made of |
//! ```
//!
//! Read from top to bottom, and within a row from left to right, each module uses only those that come after it. The root
//! may use all of them; none may use the root, because a name that the root exports again hides the module it comes from.
//! Every module must be there once.
//!
//! Deeper modules have no written order: siblings may use each other, but not in a circle. A parent and its children are
//! one unit, so that they may know each other.
//!
//! A module uses another when a `use` or a path in its code names it, beginning with `crate`, `self` or `super`. Comments,
//! strings and code under `#[cfg(test)]` do not count. A method that is called without naming its module is not seen.

mod references;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use references::Source;

/// Something that is not in order. It prints as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A module uses one that stands before it.
    Upward(Use),
    /// A module uses a sibling which uses it too, perhaps by others.
    Circle(Use),
    /// A module uses the root.
    Root(Use),
    /// A module is not in the order.
    Unlisted(String),
    /// The order names a module that does not exist.
    Unknown(String),
    /// The order names a module twice.
    Twice(String),
}

/// A place where one module uses another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The file.
    pub file: PathBuf,
    /// The line in it.
    pub line: usize,
    /// The module that uses the other; a path such as `crate::a::b`.
    pub from: String,
    /// The module that it uses.
    pub to: String,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: `{}` uses `{}`", self.file.display(), self.line, self.from, self.to)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Upward(one) => write!(f, "{one}, which the order has before it"),
            Violation::Circle(one) => write!(f, "{one}, which uses it too, at once or by others"),
            Violation::Root(one) => write!(f, "{one}, the root: name the module in which the thing is"),
            Violation::Unlisted(module) => write!(f, "the module `{module}` is not in the order"),
            Violation::Unknown(module) => write!(f, "the order names `{module}`, and there is no such module"),
            Violation::Twice(module) => write!(f, "the order names `{module}` twice"),
        }
    }
}

/// The order that the documentation of a module says: the modules from top to bottom. The text may be the whole source file.
/// It is empty if there is no such table.
#[must_use]
pub fn order_in(documentation: &str) -> Vec<String> {
    let lines = documentation.lines().map(|line| line.trim_start().trim_start_matches("//!").trim());
    let second = |line: &str| line.strip_prefix('|')?.split('|').nth(1).map(|cell| cell.trim().to_owned());
    let rows = lines.map(second).skip_while(|cell| cell.as_deref() != Some("modules")).map_while(|cell| cell);
    rows.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

/// What is not in order among the modules below `root`, the file of a module whose path is `prefix`: `crate`, or such as
/// `crate::host`.
///
/// # Errors
/// A file of a module cannot be read.
pub fn violations(root: &Path, prefix: &str, order: &[String]) -> io::Result<Vec<Violation>> {
    let prefix: Name = prefix.split("::").skip(1).map(ToOwned::to_owned).collect();
    let mut modules = Modules::default();
    modules.read(prefix.clone(), root)?;
    let mut violations = list(&modules, &prefix, order);
    let mut siblings = Siblings::default();
    for (from, reference) in &modules.references {
        let Some(to) = modules.target(from, &reference.path, &prefix) else { continue };
        let used =
            Use { file: modules.files[from].clone(), line: reference.line, from: path_of(from), to: path_of(&to) };
        let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
        match (from.get(common), to.get(common)) {
            (Some(one), Some(other)) if common == prefix.len() => {
                let place = |module: &String| order.iter().position(|listed| listed == module);
                if place(one).zip(place(other)).is_some_and(|(one, other)| one > other) {
                    violations.push(Violation::Upward(used));
                }
            }
            (Some(one), Some(other)) => {
                siblings.entry(from[..common].to_vec()).or_default().push((one.clone(), other.clone(), used));
            }
            (Some(_), None) if to == prefix => violations.push(Violation::Root(used)),
            // A parent and its child, or a module and itself.
            _ => {}
        }
    }
    violations.extend(siblings.values().flat_map(|uses| circles(uses)));
    // A line may name several things of the same module.
    violations.dedup();
    Ok(violations)
}

/// The names on the path to a module, without `crate`.
type Name = Vec<String>;

/// The uses among the children of a module.
type Siblings = BTreeMap<Name, Vec<(String, String, Use)>>;

fn path_of(name: &[String]) -> String {
    ["crate"].into_iter().chain(name.iter().map(String::as_str)).collect::<Vec<_>>().join("::")
}

/// The modules below a root.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Name, PathBuf>,
    references: Vec<(Name, references::Reference)>,
}

impl Modules {
    /// Reads the file of a module, and those of the modules that it declares.
    fn read(&mut self, name: Name, file: &Path) -> io::Result<()> {
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        let Source { declared, inline, references } = Source::read(&text);
        self.files.extend(inline.into_iter().map(|inner| ([&name[..], &inner].concat(), file.to_owned())));
        self.references.extend(references.into_iter().map(|one| ([&name[..], &one.within].concat(), one)));
        let folder = match file.file_stem() {
            Some(stem) if stem != "mod" && stem != "lib" && stem != "main" => file.with_extension(""),
            _ => file.parent().unwrap_or(Path::new("")).to_owned(),
        };
        for child in declared {
            let flat = folder.join(format!("{child}.rs"));
            let file = if flat.exists() { flat } else { folder.join(&child).join("mod.rs") };
            self.read([&name[..], &[child]].concat(), &file)?;
        }
        self.files.insert(name, file.to_owned());
        Ok(())
    }

    /// The module to which a path leads, or in which the thing is that it names; `None` if that is outside of the root.
    fn target(&self, from: &Name, path: &[String], prefix: &Name) -> Option<Name> {
        let mut target = from.clone();
        for word in path {
            match word.as_str() {
                "crate" => target.clear(),
                "self" => {}
                "super" => drop(target.pop()),
                word => target.push(word.to_owned()),
            }
        }
        while target.len() > prefix.len() && !self.files.contains_key(&target) {
            target.pop();
        }
        (target.starts_with(prefix)).then_some(target)
    }
}

/// What is wrong with the list itself.
fn list(modules: &Modules, prefix: &Name, order: &[String]) -> Vec<Violation> {
    let exist: BTreeSet<&String> =
        modules.files.keys().filter(|name| name.len() == prefix.len() + 1).filter_map(|name| name.last()).collect();
    let unlisted = exist.iter().filter(|module| !order.contains(module)).map(|one| Violation::Unlisted((*one).clone()));
    let unknown = order.iter().filter(|module| !exist.contains(module)).map(|one| Violation::Unknown(one.clone()));
    let twice = order.iter().enumerate().filter(|(place, module)| order[..*place].contains(module));
    unlisted.chain(unknown).chain(twice.map(|(_, one)| Violation::Twice(one.clone()))).collect()
}

/// Those of the uses among siblings that are part of a circle.
fn circles(uses: &[(String, String, Use)]) -> Vec<Violation> {
    let leads = |from: &String, to: &String| {
        let mut reached = BTreeSet::from([from]);
        let mut grows = true;
        while grows {
            let next: BTreeSet<_> =
                uses.iter().filter(|(one, ..)| reached.contains(one)).map(|(_, other, _)| other).collect();
            grows = !next.is_subset(&reached);
            reached.extend(next);
        }
        reached.contains(to)
    };
    let circular = uses.iter().filter(|(from, to, _)| leads(to, from));
    circular.map(|(.., used)| Violation::Circle(used.clone())).collect()
}

#[cfg(test)]
mod tests;
