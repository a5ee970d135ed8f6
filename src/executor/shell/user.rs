//! Users and groups of the node, read from its own files: no library call, so no code of the node's in ours.

use super::super::ExecutorError;
use std::fs;

/// As whom a process runs; none for the daemon's own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

/// Looks up `user[:group]`; without a group it is the user's own.
pub(super) fn lookup(su: &str) -> Result<Identity, ExecutorError> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    find(su, &passwd, &groups).map_err(|problem| ExecutorError::invalid("su", su, problem))
}

fn find(su: &str, passwd: &str, groups: &str) -> Result<Identity, &'static str> {
    let (user, group) = su.split_once(':').unwrap_or((su, ""));
    let (uid, own_group) = match row(passwd, user) {
        Some(fields) => (number(&fields, 2), number(&fields, 3)),
        None => (user.parse().ok(), None),
    };
    let uid = uid.ok_or("the node has no such user")?;
    let gid = match group {
        "" => own_group.or(Some(uid)),
        name => row(groups, name).and_then(|fields| number(&fields, 2)).or_else(|| name.parse().ok()),
    };
    Ok(Identity { user: Some(uid), group: Some(gid.ok_or("the node has no such group")?) })
}

fn row<'a>(file: &'a str, name: &str) -> Option<Vec<&'a str>> {
    file.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)
}

fn number(fields: &[&str], position: usize) -> Option<u32> {
    fields.get(position)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/:/bin/false\n";
    const GROUPS: &str = "root:x:0:\nstaff:x:50:web\n";

    fn identity(user: u32, group: u32) -> Result<Identity, &'static str> {
        Ok(Identity { user: Some(user), group: Some(group) })
    }

    #[test]
    fn users_and_groups_are_found_by_name_or_number() {
        assert_eq!(find("web", PASSWD, GROUPS), identity(33, 44));
        assert_eq!(find("web:staff", PASSWD, GROUPS), identity(33, 50));
        assert_eq!(find("1000:1001", PASSWD, GROUPS), identity(1000, 1001));
        assert!(find("nobody", PASSWD, GROUPS).is_err());
        assert!(find("web:nobody", PASSWD, GROUPS).is_err());
    }
}
