//! Room in the model's window: how much is taken, and how more is made by taking notes of what lies behind.

use serde::{Deserialize, Serialize};

use super::{
    Ask, Conversation,
    patience::{self, OnFailed},
    turn::{CallResult, Turn, shortened},
};
use crate::{
    Failure,
    context::{Due, RENEW_AT_PERCENT, Renewal},
    log,
    model::{Format, Message, Request, Response, Role},
};

/// What the model is told when it takes notes.
const NOTES: &str = include_str!("../../prompts/summarise.md");

/// The most bytes of one text that notes are taken from: results are long, and rarely matter word for word later.
const MAX_NOTED: usize = 6_000;

/// What is left of a result that has to make room.
const SHORT_RESULT: usize = 600;

/// The most bytes of a conversation that is handed over. The host takes 1 MiB, and an agent has state of its own.
const MAX_STATE: usize = 512 << 10;

/// How large the window is, and how far the rule of thumb for tokens is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gauge {
    window: Option<u64>,
    /// Real tokens for a thousand estimated ones.
    per_mille: u64,
}

impl Gauge {
    pub(super) fn new(window: Option<u64>) -> Self {
        Self { window, per_mille: 1_000 }
    }

    /// Learns from an answer to a request that was estimated at `estimate` tokens.
    pub(super) fn calibrate(&mut self, estimate: u64, response: &Response) {
        if response.context_window > 0 {
            self.window = Some(response.context_window);
        }
        // Services that tell nothing, or nonsense, shall not make the estimate useless.
        if response.input_tokens > 0 && estimate > 0 {
            let real = self.per_mille.saturating_mul(response.input_tokens) / estimate;
            self.per_mille = real.clamp(200, 4_000);
        }
    }

    fn corrected(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(self.per_mille) / 1_000
    }

    /// How many tokens by the rule of thumb are this many real ones.
    fn by_rule(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(1_000) / self.per_mille
    }
}

impl Conversation {
    /// How many tokens the model would read now, as far as one can tell.
    pub(super) fn estimate(&self, ask: &Ask<'_>) -> u64 {
        let schema = match &ask.format {
            Format::JsonSchema(schema) => schema.len(),
            Format::Text | Format::JsonObject => 0,
        };
        let tools = ask.tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.parameters.len());
        let around = (self.system.len() + schema + tools.sum::<usize>()) as u64;
        let turns: u64 = self.turns.iter().map(Turn::tokens).sum();
        self.gauge.corrected(around.div_ceil(3) + turns)
    }

    /// The tokens that may be taken before notes are taken: 80 % of the window, less where long answers were asked for.
    fn most(&self) -> Option<u64> {
        let window = self.gauge.window?;
        let answer = self.settings.max_tokens.map_or(0, u64::from);
        Some((window.saturating_mul(RENEW_AT_PERCENT) / 100).min(window.saturating_sub(answer)).max(window / 4))
    }

    /// The most bytes of one result that leave room for others.
    pub(crate) fn room_for_result(&self) -> usize {
        let bytes = self.most().map(|most| self.gauge.by_rule(most / 6).saturating_mul(3));
        bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
    }

    /// Whether it is time to go on in a fresh instance, and why: the host says so.
    pub fn due(&self) -> Option<Due> {
        Renewal::default().due()
    }

    /// Whether the next question would fill more of the window than it may.
    pub(crate) fn too_full(&self, ask: &Ask<'_>) -> Option<Due> {
        self.most().filter(|most| self.estimate(ask) > *most).map(|_| Due::ContextFull)
    }

    /// Makes room where the next question would not fit.
    pub(super) fn make_room(&mut self, ask: &Ask<'_>) -> Result<(), Failure> {
        match self.most() {
            Some(most) if self.estimate(ask) > most => self.compact(ask, most),
            _ => Ok(()),
        }
    }

    /// Gets ready to be handed over to the next instance: takes notes where the context is full, or where there is more
    /// than the host takes.
    ///
    /// # Errors
    /// The model cannot be asked, or it is too much even so.
    pub fn hand_over(&mut self, due: Due) -> Result<(), Failure> {
        self.hand_over_with(due, &Ask::default())
    }

    /// The same, where the next question will be this.
    pub(crate) fn hand_over_with(&mut self, due: Due, ask: &Ask<'_>) -> Result<(), Failure> {
        self.close_open_calls();
        let size = |this: &Self| serde_json::to_string(this).map_or(0, |text| text.len());
        if due == Due::ContextFull || size(self) > MAX_STATE {
            // Three bytes a token, and as many again for what JSON adds to texts.
            let fits = self.gauge.corrected(MAX_STATE as u64 / 6);
            self.compact(ask, self.most().map_or(fits, |most| most.min(fits)))?;
        }
        match size(self) {
            0..=MAX_STATE => Ok(()),
            size => Err(Failure::exhausted(format!(
                "the conversation has {size} bytes after notes were taken, and {MAX_STATE} can be handed over; say less at once"
            ))),
        }
    }

    /// Takes notes of all but the last turns, and shortens long results where more than `most` tokens are taken even so.
    fn compact(&mut self, ask: &Ask<'_>, most: u64) -> Result<(), Failure> {
        let first = self.first_stays(most);
        let last = self.last_turns(first, most / 4);
        if last > first {
            let before = self.estimate(ask);
            let notes = self.take_notes(first, last, most)?;
            self.turns.splice(first..last, [Turn::Summary(notes)]);
            log::info(format!("the context was summed up: about {before} tokens became {}", self.estimate(ask)));
        }
        while self.estimate(ask) > most {
            if !self.shorten_longest_result() {
                return Err(Failure::exhausted(format!(
                    "instructions, question and tools take about {} tokens, more than the {most} of the model's window that \
                     may be filled; say less at once, or choose a model with a larger window",
                    self.estimate(ask)
                )));
            }
        }
        Ok(())
    }

    /// How many turns at the beginning stay as they are: what was asked first, unless it is very long.
    fn first_stays(&self, most: u64) -> usize {
        match self.turns.first() {
            Some(asked @ Turn::Asked { .. }) if self.gauge.corrected(asked.tokens()) <= most / 4 => 1,
            _ => 0,
        }
    }

    /// Where the last turns begin that stay as they are: as many as take `room` tokens, and at least the last one, each
    /// result together with its call.
    fn last_turns(&self, first: usize, room: u64) -> usize {
        let (mut at, mut taken) = (self.turns.len(), 0);
        let mut start = at;
        while at > first {
            at -= 1;
            taken += self.gauge.corrected(self.turns[at].tokens());
            if taken > room && start < self.turns.len() {
                break;
            }
            if !matches!(self.turns[at], Turn::Results(_)) {
                start = at;
            }
        }
        start.max(first)
    }

    /// Has the model take notes of these turns, in portions that fit its window.
    fn take_notes(&mut self, from: usize, to: usize, most: u64) -> Result<String, Failure> {
        let bytes = |tokens: u64| usize::try_from(self.gauge.by_rule(tokens).saturating_mul(3)).unwrap_or(usize::MAX);
        let (portion, longest_notes) = (bytes(most / 2), bytes(most / 8).min(MAX_STATE / 8));
        let mut portions: Vec<String> = Vec::new();
        for turn in &self.turns[from..to] {
            let told = shortened(&turn.told(MAX_NOTED), portion);
            match portions.last_mut() {
                Some(last) if last.len() + told.len() <= portion => last.push_str(&told),
                _ => portions.push(told),
            }
        }
        let mut notes = String::new();
        for material in portions {
            let response = patience::chat(&self.notes_request(&notes, &material), OnFailed::AskAgain)?;
            let answer = response.map_or_else(
                |_| String::new(),
                |response| {
                    self.count(&response);
                    super::read(response).text
                },
            );
            // A model that has nothing to say must not make the work forget itself.
            let answer = if answer.trim().is_empty() { format!("{notes}\n{material}") } else { answer };
            notes = shortened(answer.trim(), longest_notes);
        }
        Ok(notes)
    }

    fn notes_request(&self, notes: &str, material: &str) -> Request {
        let earlier = if notes.is_empty() { String::new() } else { format!("EARLIER NOTES:\n{notes}\n\n") };
        Request {
            model: self.settings.model.clone(),
            max_tokens: self.settings.max_tokens,
            temperature: self.settings.temperature,
            ..Request::new(vec![
                Message::text(Role::System, NOTES),
                Message::text(Role::User, format!("{earlier}MATERIAL:\n{material}")),
            ])
        }
    }

    /// Shortens the longest result that is not short yet; tells whether there was one.
    fn shorten_longest_result(&mut self) -> bool {
        let results = self.turns.iter_mut().filter_map(|turn| match turn {
            Turn::Results(results) => Some(results.iter_mut()),
            _ => None,
        });
        let longest = results.flatten().max_by_key(|result| result.content.len());
        match longest {
            Some(CallResult { content, .. }) if content.len() > SHORT_RESULT * 2 => {
                *content = shortened(content, (content.len() / 2).max(SHORT_RESULT));
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FailureKind, Outcome,
        conversation::{Call, Settings},
        testing::{Answer, Host},
    };

    /// A model with a window of 1 000 tokens that tells honestly how many it reads, at `per_mille` of the rule of thumb;
    /// its notes are `notes`. More than the window is an error, as with real ones.
    fn small_model(host: &Host, per_mille: u64, notes: &'static str) {
        host.on_chat(move |request| {
            let bytes: usize = request.messages.iter().map(|message| format!("{:?}", message.parts).len()).sum();
            let tokens = (bytes as u64).div_ceil(3) * per_mille / 1_000;
            assert!(tokens <= 1_000, "{tokens} tokens do not fit the window");
            let is_notes = matches!(&request.messages[0].parts[0], crate::model::Part::Text(text) if text == NOTES);
            let text = if is_notes { notes } else { "go on" };
            Answer::text(text).tokens(tokens, 5).window(1_000).to(request)
        });
    }

    fn exchange(conversation: &mut Conversation, number: usize, size: usize) {
        let call = Call { id: format!("c{number}"), name: "read".into(), arguments: format!("{{\"n\":{number}}}") };
        conversation.turns.push(Turn::Answered { text: String::new(), calls: vec![call] });
        let content = format!("result {number} {}", "x".repeat(size));
        conversation.answer(vec![CallResult { call: format!("c{number}"), content, failed: false }]);
    }

    fn notes_taken(host: &Host) -> usize {
        let is_notes = |request: &&Request| matches!(&request.messages[0].parts[0], crate::model::Part::Text(text) if text == NOTES);
        host.chats().iter().filter(is_notes).count()
    }

    #[test]
    fn a_long_conversation_stays_inside_the_window_and_keeps_question_notes_and_last_turns() {
        for per_mille in [500, 1_000, 1_400] {
            let host = Host::new();
            small_model(&host, per_mille, "NOTES: all is well");
            let mut conversation = Conversation::new("be brief");
            conversation.say("the question");
            conversation.ask().unwrap();
            for number in 0..200 {
                exchange(&mut conversation, number, 100);
                conversation.ask().unwrap();
            }
            let taken = notes_taken(&host);
            assert!((3..100).contains(&taken), "{taken} times");
            let last = format!("{:?}", host.chats().last().unwrap().messages);
            for wanted in ["the question", "NOTES: all is well", "result 199"] {
                assert!(last.contains(wanted), "{per_mille}: {last}");
            }
            assert_eq!(conversation.spent().answers, 201 + taken as u64);
        }
    }

    #[test]
    fn a_result_never_loses_its_call() {
        let host = Host::new();
        small_model(&host, 1_000, "notes");
        let settings = Settings { window: Some(1_000), ..Settings::default() };
        let mut conversation = Conversation::with("", settings);
        conversation.say("the question");
        for number in 0..12 {
            exchange(&mut conversation, number, 300);
            conversation.ask().unwrap();
            let mut calls = Vec::new();
            for turn in &conversation.turns {
                match turn {
                    Turn::Answered { calls: made, .. } => calls = made.iter().map(|call| call.id.clone()).collect(),
                    Turn::Results(results) => assert!(results.iter().all(|result| calls.contains(&result.call))),
                    Turn::Asked { .. } | Turn::Summary(_) => calls.clear(),
                }
            }
        }
        assert!(notes_taken(&host) > 0);
    }

    #[test]
    fn a_result_that_alone_is_too_much_is_shortened_and_a_question_that_is_fails() {
        let host = Host::new();
        small_model(&host, 1_000, "notes");
        let settings = Settings { window: Some(1_000), ..Settings::default() };
        let mut conversation = Conversation::with("", settings.clone());
        conversation.say("the question");
        exchange(&mut conversation, 1, 50_000);
        conversation.ask().unwrap();
        assert!(format!("{:?}", host.chats().last().unwrap().messages).contains("bytes are left out"));

        let mut conversation = Conversation::with("", settings);
        conversation.say("x".repeat(50_000));
        let failure = conversation.ask().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Exhausted);
        assert!(failure.message.contains("larger window"), "{}", failure.message);
    }

    #[test]
    fn a_model_without_notes_does_not_make_the_work_forget_itself() {
        let host = Host::new();
        small_model(&host, 1_000, " ");
        let mut conversation = Conversation::new("");
        conversation.say("the question");
        conversation.ask().unwrap();
        for number in 0..20 {
            exchange(&mut conversation, number, 200);
            conversation.ask().unwrap();
        }
        let last = format!("{:?}", host.chats().last().unwrap().messages);
        assert!(last.contains("CALLED read"), "{last}");
    }

    #[test]
    fn a_conversation_goes_on_in_the_next_instance_as_if_nothing_had_happened() {
        let host = Host::new();
        small_model(&host, 1_000, "notes of it");
        let mut conversation = Conversation::new("be brief");
        conversation.say("the question");
        for number in 0..4 {
            exchange(&mut conversation, number, 100);
            conversation.ask().unwrap();
        }
        let mut young = conversation.clone();
        young.hand_over(Due::Old).unwrap();
        assert_eq!(young, conversation, "age alone is no reason to forget anything");

        conversation.hand_over(Due::ContextFull).unwrap();
        assert!(conversation.turns() < young.turns());
        let Outcome::ContinueAsNew::<(), _>(state) = Outcome::ContinueAsNew(conversation.clone()) else { panic!() };
        let text = serde_json::to_string(&state).unwrap();
        let mut next: Conversation = serde_json::from_str(&text).unwrap();
        assert_eq!(next, conversation);
        next.ask().unwrap();
        assert!(format!("{:?}", host.chats().last().unwrap().messages).contains("notes of it"));
    }

    #[test]
    fn what_is_handed_over_is_less_than_the_host_takes_even_when_the_window_is_huge() {
        let host = Host::new();
        host.on_chat(|request| Answer::text("notes").window(10_000_000).to(request));
        let mut conversation = Conversation::new("");
        conversation.say("the question");
        conversation.ask().unwrap();
        for number in 0..50 {
            exchange(&mut conversation, number, 40_000);
        }
        conversation.hand_over(Due::Old).unwrap();
        assert!(serde_json::to_string(&conversation).unwrap().len() <= MAX_STATE);
    }

    #[test]
    fn services_that_tell_nonsense_do_not_spoil_the_estimate() {
        let host = Host::new();
        host.answers([
            Answer::text("a").tokens(0, 0).window(0),
            Answer::text("b").tokens(u64::MAX, u64::MAX).window(2_000),
            Answer::text("c").tokens(1, 1),
        ]);
        let mut conversation = Conversation::new("be brief");
        for question in ["one", "two", "three"] {
            conversation.say(question);
            conversation.ask().unwrap();
        }
        assert!(conversation.estimate(&Ask::default()) < 1_000);
        assert_eq!(conversation.spent().answers, 3);
    }
}
