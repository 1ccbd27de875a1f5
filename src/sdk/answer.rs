//! What a person answers to a request, and how the runtime is told.

use serde_json::{Value, json};
use url::Url;

use super::{Request, RequestKind, SdkError, Session, form};

/// A person's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    /// Allows what is asked, and more like it for the rest of the session.
    ForSession,
    No,
    /// Denies it and tells the agent what to do instead; the turn goes on. A denial without words ends the turn
    /// (docs/copilot-cli.md, permission-deny).
    NoBecause(String),
    /// One of the choices of a question.
    Choice(String),
    /// The person's own words: the answer to a question, or what is filled into a form.
    Words(String),
}

/// The outcome of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answered {
    Taken,
    /// Another client or Mission Control answered first.
    TooLate,
    /// The person has to open this link in a browser.
    Open(String),
}

/// The runtime's words for the choices after a rate limit: switch this time, switch always, stay.
const SWITCH: &str = "yes";
const SWITCH_ALWAYS: &str = "yes_always";
const STAY: &str = "no";

impl Request {
    /// Why this answer cannot be given to `request`; `None` if it can.
    pub(crate) fn refuses(&self, answer: &Answer) -> Option<String> {
        match (self.kind, answer) {
            (RequestKind::Question, Answer::No | Answer::NoBecause(_)) => Some("a question takes an answer in words".to_owned()),
            (RequestKind::Question, Answer::Yes | Answer::ForSession) => {
                Some("a question takes an answer, not a permission".to_owned())
            }
            (RequestKind::Question, Answer::Words(text) | Answer::Choice(text)) => {
                (!self.freeform && !self.choices.contains(text)).then(|| format!("it takes one of: {}", self.choices.join(", ")))
            }
            (RequestKind::Form, Answer::Words(text)) => form::content(&self.fields, text).err(),
            (RequestKind::Form, Answer::Yes | Answer::ForSession) if self.fields.is_empty() => None,
            (RequestKind::Form, Answer::Yes | Answer::ForSession) => Some("it takes what is to be filled in".to_owned()),
            (RequestKind::Permission, Answer::ForSession) if !self.for_session => {
                Some("it can be allowed once, and not for the session".to_owned())
            }
            (RequestKind::Plan | RequestKind::ModelSwitch | RequestKind::Limit, Answer::Words(text) | Answer::Choice(text)) => {
                let is_number = self.kind == RequestKind::Limit && text.parse::<u32>().is_ok_and(|number| number > 0);
                (!is_number && !self.choices.contains(text)).then(|| format!("it takes one of: {}", self.choices.join(", ")))
            }
            (RequestKind::Permission | RequestKind::SignIn, Answer::Words(_) | Answer::Choice(_)) => {
                Some("it can be allowed or denied, and takes no other answer".to_owned())
            }
            (RequestKind::Tool | RequestKind::Sampling | RequestKind::Unknown, Answer::No | Answer::NoBecause(_)) => None,
            (RequestKind::Tool | RequestKind::Sampling | RequestKind::Unknown, _) => {
                Some("it can be denied here, and answered in a newer Copilot CLI".to_owned())
            }
            _ => None,
        }
    }
}

impl Session {
    /// Gives an answer to a request that the session waits for.
    pub(crate) async fn answer(&self, request: &Request, answer: &Answer) -> Result<Answered, SdkError> {
        if let Some(why) = request.refuses(answer) {
            return Err(SdkError::NoAnswer { why });
        }
        let (method, key, reply) = match request.kind {
            RequestKind::Permission => {
                let Some(result) = self.permission(request, answer).await? else { return Ok(Answered::TooLate) };
                ("session.permissions.handlePendingPermissionRequest", "result", result)
            }
            RequestKind::Plan => ("session.ui.handlePendingExitPlanMode", "response", plan(request, answer)),
            RequestKind::Question => {
                let (Answer::Choice(words) | Answer::Words(words)) = answer else { return Ok(Answered::TooLate) };
                let freeform = !request.choices.contains(words);
                ("session.ui.handlePendingUserInput", "response", json!({ "answer": words, "wasFreeform": freeform }))
            }
            RequestKind::Form => ("session.ui.handlePendingElicitation", "result", elicitation(request, answer)),
            RequestKind::ModelSwitch => {
                let word = match answer {
                    Answer::Yes => SWITCH,
                    Answer::ForSession => SWITCH_ALWAYS,
                    Answer::No | Answer::NoBecause(_) => STAY,
                    Answer::Choice(word) | Answer::Words(word) => word,
                };
                ("session.ui.handlePendingAutoModeSwitch", "response", json!(word))
            }
            RequestKind::Limit => ("session.ui.handlePendingSessionLimitsExhausted", "response", limit(answer)),
            RequestKind::SignIn => return self.sign_in(request, answer).await,
            RequestKind::Tool => {
                let params = json!({ "requestId": request.id, "error": "The user refused this." });
                self.call("session.tools.handlePendingToolCall", params).await?;
                return Ok(Answered::Taken);
            }
            RequestKind::Sampling => {
                self.call("session.ui.handlePendingSampling", json!({ "requestId": request.id })).await?;
                return Ok(Answered::Taken);
            }
            // Nobody here knows how to answer a request of this kind. Aborting its turn withdraws it in any case.
            RequestKind::Unknown => {
                self.interrupt().await?;
                return Ok(Answered::Taken);
            }
        };
        let mut params = json!({ "requestId": request.id });
        params[key] = reply;
        let answer = self.call(method, params).await?;
        Ok(if answer["success"] == false { Answered::TooLate } else { Answered::Taken })
    }

    /// `None` if the request no longer waits.
    async fn permission(&self, request: &Request, answer: &Answer) -> Result<Option<Value>, SdkError> {
        Ok(Some(match answer {
            Answer::Yes => json!({ "kind": "approve-once" }),
            Answer::ForSession => {
                let Some(approval) = self.approval(&request.id).await? else { return Ok(None) };
                json!({ "kind": "approve-for-session", "approval": approval })
            }
            Answer::NoBecause(why) => json!({ "kind": "reject", "feedback": why }),
            Answer::No | Answer::Choice(_) | Answer::Words(_) => json!({ "kind": "reject" }),
        }))
    }

    /// What the runtime approves along with a permission for the session: more of the kind, and of commands only these. `None` if
    /// the request no longer waits.
    async fn approval(&self, id: &str) -> Result<Option<Value>, SdkError> {
        let pending = self.call("session.permissions.pendingRequests", json!({})).await?;
        let item = pending["items"].as_array().into_iter().flatten().find(|item| item["requestId"] == id);
        let Some(asked) = item.map(|item| item["request"].clone()) else { return Ok(None) };
        let mut approval = json!({ "kind": asked["kind"] });
        for field in ["commandIdentifiers", "serverName", "toolName"] {
            if !asked[field].is_null() {
                approval[field] = asked[field].clone();
            }
        }
        Ok(Some(approval))
    }

    /// The runtime waits for a browser on this machine, so the person gets the link to open in it.
    async fn sign_in(&self, request: &Request, answer: &Answer) -> Result<Answered, SdkError> {
        if matches!(answer, Answer::No | Answer::NoBecause(_)) {
            return Ok(Answered::Taken);
        }
        let answer = self.call("session.mcp.oauth.login", json!({ "serverName": request.server() })).await?;
        answer["authorizationUrl"].as_str().map_or(Ok(Answered::Taken), |url| link(url).map(Answered::Open))
    }
}

/// A link that a browser may be sent to. It comes from an MCP server, so it is checked.
fn link(text: &str) -> Result<String, SdkError> {
    let is_safe = |url: &Url| {
        let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        url.scheme() == "https" || url.scheme() == "http" && here
    };
    match Url::parse(text) {
        Ok(url) if is_safe(&url) => Ok(url.into()),
        _ => Err(SdkError::UnexpectedAnswer { message: "the link to sign in to the MCP server is not https".to_owned() }),
    }
}

fn plan(request: &Request, answer: &Answer) -> Value {
    match (answer, request.choices.first()) {
        (Answer::No, _) => json!({ "approved": false }),
        (Answer::NoBecause(why), _) => json!({ "approved": false, "feedback": why }),
        (Answer::Choice(action) | Answer::Words(action), _) | (_, Some(action)) => {
            json!({ "approved": true, "selectedAction": action })
        }
        (_, None) => json!({ "approved": true, "selectedAction": "interactive" }),
    }
}

fn elicitation(request: &Request, answer: &Answer) -> Value {
    match answer {
        Answer::No | Answer::NoBecause(_) => json!({ "action": "decline" }),
        Answer::Words(text) | Answer::Choice(text) => {
            json!({ "action": "accept", "content": form::content(&request.fields, text).unwrap_or_default() })
        }
        Answer::Yes | Answer::ForSession => json!({ "action": "accept", "content": {} }),
    }
}

/// A number adds that many credits to the session's limit; the other choices remove the limit or refuse the request.
fn limit(answer: &Answer) -> Value {
    match answer {
        Answer::Choice(word) | Answer::Words(word) => match word.parse::<u32>() {
            Ok(credits) => json!({ "action": "add", "additionalAiCredits": credits }),
            Err(_) => json!({ "action": word }),
        },
        Answer::Yes | Answer::ForSession => json!({ "action": "unset" }),
        Answer::No | Answer::NoBecause(_) => json!({ "action": "cancel" }),
    }
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn only_a_safe_link_is_opened() {
        for safe in ["https://auth.example.com/authorize?a=b", "http://127.0.0.1:8080/a", "http://localhost/a"] {
            assert_eq!(link(safe).unwrap(), safe);
        }
        for unsafe_link in ["http://auth.example.com/", "javascript:alert(1)", "file:///etc/passwd", "", "https://"] {
            assert!(link(unsafe_link).is_err(), "{unsafe_link}");
        }
        assert!(!link("https://example.com/\u{1b}[31m").unwrap().contains('\u{1b}'));
    }
}
