//! The shell's settings, as Dkron's jobs have them.

use super::*;
use dkron_core::ids::ExecutionId;
use dkron_core::time::Time;

fn config(pairs: &[(&str, &str)]) -> Words {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn spawn(pairs: &[(&str, &str)]) -> Spawn {
    let task = Task {
        id: ExecutionId(0x1234),
        attempt: 2,
        job_name: "tick".into(),
        nominal: Time::from_seconds(60),
        config: config(pairs),
    };
    match Shell.prepare(&task).expect("settings are good") {
        Work::Process(spawn) => *spawn,
        Work::Call(_) => panic!("a shell job is a process"),
    }
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    Shell.validate(&config(pairs)).expect_err("settings are bad").to_string()
}

fn texts(spawn: &Spawn) -> Vec<String> {
    spawn.arguments.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

#[test]
fn a_command_is_split_or_given_to_the_shell() {
    assert_eq!(texts(&spawn(&[("command", "echo 'a b' c")])), ["echo", "a b", "c"]);
    assert_eq!(
        texts(&spawn(&[("command", "date && echo"), ("shell", "true")])),
        ["/bin/sh", "-c", "date && echo"]
    );
}

#[test]
fn a_command_with_an_unquoted_operator_runs_the_part_before_and_says_so() {
    let spawn = spawn(&[("command", "date && echo")]);
    assert_eq!(texts(&spawn), ["date"]);
    assert!(spawn.remark.contains("unquoted '&'"), "{}", spawn.remark);
}

#[test]
fn a_job_finds_its_names_in_the_environment() {
    let spawn = spawn(&[("command", "env"), ("env", "A=1,B=\"2,3\"")]);
    let variable = |name: &str| {
        let found = spawn.environment.iter().find(|(found, _)| found == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(variable("A").as_deref(), Some("1"));
    assert_eq!(variable("B").as_deref(), Some("2,3"));
    assert_eq!(variable("ENV_JOB_NAME").as_deref(), Some("tick"));
    assert_eq!(variable("DKRON_JOB_NAME").as_deref(), Some("tick"));
    assert_eq!(variable("DKRON_EXECUTION_ID").as_deref(), Some("00000000000000000000000000001234"));
    assert_eq!(variable("DKRON_SCHEDULED_AT").as_deref(), Some("1970-01-01T00:01:00Z"));
    assert_eq!(variable("DKRON_ATTEMPT").as_deref(), Some("2"));
    assert_eq!(
        variable("TRACEPARENT").as_deref(),
        Some("00-00000000000000000000000000001234-0000000000001234-01")
    );
}

#[test]
fn a_refusal_names_the_setting_the_value_and_what_is_allowed() {
    assert_eq!(refusal(&[]), "executor_config.command: shell: Command missing");
    assert_eq!(
        refusal(&[("command", "echo (")]),
        "executor_config.command: invalid value 'echo (': invalid command line string"
    );
    assert!(
        refusal(&[("command", "x"), ("timeout", "soon")])
            .starts_with("executor_config.timeout: invalid value 'soon'")
    );
    assert!(refusal(&[("command", "x"), ("timeout", "0s")]).contains("above zero"));
    assert!(refusal(&[("command", "x"), ("mem_limit", "much")]).contains("mem_limit: invalid value 'much'"));
    assert!(refusal(&[("command", "x"), ("payload", "*")]).contains("not base64"));
}

#[test]
fn a_payload_is_decoded() {
    assert_eq!(spawn(&[("command", "cat"), ("payload", "aGVsbG8=")]).input, b"hello");
}

#[test]
fn a_user_that_the_node_does_not_have_is_refused_on_the_node_only() {
    let pairs = [("command", "id"), ("su", "nobody-of-that-name")];
    assert_eq!(Shell.validate(&config(&pairs)), Ok(()));
    let task = Task {
        id: ExecutionId(1),
        attempt: 1,
        job_name: "tick".into(),
        nominal: Time::EPOCH,
        config: config(&pairs),
    };
    assert!(Shell.prepare(&task).is_err());
}
