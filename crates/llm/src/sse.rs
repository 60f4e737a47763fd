//! Server-sent events, as the WHATWG HTML standard defines the stream format (section 9.2.6), with a cap on the size
//! of one event.
//!
//! Works on bytes: a character split over two chunks is whole again before anyone decodes it.

/// One dispatched event; both parts are only borrowed until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// The `event:` field, empty if there was none.
    pub name: &'a [u8],
    /// All `data:` lines, joined with line feeds.
    pub data: &'a [u8],
}

/// An event grew past the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventTooLarge;

/// The parser's state between chunks.
#[derive(Debug)]
pub(crate) struct SseParser {
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    data: Vec<u8>,
    name: Vec<u8>,
    has_data: bool,
    /// The last chunk ended in CR: a LF at the start of the next one belongs to it.
    skip_lf: bool,
    at_start: bool,
    max_event_bytes: usize,
}

impl SseParser {
    /// A parser at the start of a stream.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            name: Vec::new(),
            has_data: false,
            skip_lf: false,
            at_start: true,
            max_event_bytes,
        }
    }

    /// Takes the next bytes and hands out every event that they complete.
    pub fn push(&mut self, mut chunk: &[u8], on_event: &mut dyn FnMut(Event<'_>)) -> Result<(), EventTooLarge> {
        while let Some(&first) = chunk.first() {
            if std::mem::take(&mut self.skip_lf) && first == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.check_room(chunk.len())?;
                self.line.extend_from_slice(chunk);
                return Ok(());
            };
            self.check_room(end)?;
            self.skip_lf = chunk[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(&chunk[..end], on_event);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&chunk[..end]);
                self.take_line(&line, on_event);
                line.clear();
                self.line = line;
            }
            chunk = &chunk[end + 1..];
        }
        Ok(())
    }

    /// The stream is over: hands out an event whose closing empty line is missing. The standard discards it, but servers
    /// exist that close right after the last data line.
    pub fn finish(&mut self, on_event: &mut dyn FnMut(Event<'_>)) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, on_event);
        }
        self.take_line(b"", on_event);
    }

    fn check_room(&self, more: usize) -> Result<(), EventTooLarge> {
        if self.line.len() + self.data.len() + more > self.max_event_bytes { Err(EventTooLarge) } else { Ok(()) }
    }

    fn take_line(&mut self, mut line: &[u8], on_event: &mut dyn FnMut(Event<'_>)) {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                on_event(Event { name: &self.name, data: &self.data });
            }
            self.data.clear();
            self.name.clear();
            return;
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // comments (an empty field name), ids, retry times and what later standards may add
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (String, String);

    fn parse(chunks: &[&[u8]]) -> Vec<Owned> {
        let mut parser = SseParser::new(1 << 16);
        let mut events = Vec::new();
        let mut keep = |event: Event<'_>| {
            events.push((
                String::from_utf8(event.name.to_vec()).unwrap(),
                String::from_utf8(event.data.to_vec()).unwrap(),
            ));
        };
        for chunk in chunks {
            parser.push(chunk, &mut keep).unwrap();
        }
        parser.finish(&mut keep);
        events
    }

    fn data_of(text: &str) -> Vec<String> {
        parse(&[text.as_bytes()]).into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn line_ends_comments_and_many_data_lines_follow_the_standard() {
        assert_eq!(data_of("data: a\n\ndata: b\r\n\r\ndata: c\r\r"), ["a", "b", "c"]);
        assert_eq!(data_of(": keep-alive\n\n: more\ndata: a\n: inside\ndata: b\n\n"), ["a\nb"]);
        assert_eq!(data_of("data\n\ndata:\n\ndata:  two spaces\n\n"), ["", "", " two spaces"]);
        assert_eq!(data_of("\u{feff}data: after a byte order mark\n\n"), ["after a byte order mark"]);
        assert_eq!(data_of("id: 7\nretry: 10\nunknown: x\n\n"), [""; 0]);
        assert_eq!(parse(&[b"event: error\ndata: {}\n\n"]), [("error".to_owned(), "{}".to_owned())]);
    }

    #[test]
    fn a_name_does_not_outlive_its_event() {
        let events = parse(&[b"event: ping\n\ndata: a\n\nevent: x\ndata: b\n\ndata: c\n\n"]);
        assert_eq!(events.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["", "x", ""]);
    }

    #[test]
    fn a_last_event_without_its_empty_line_still_counts() {
        assert_eq!(data_of("data: a\n\ndata: b"), ["a", "b"]);
        assert_eq!(data_of("data: a\n\ndata: b\n"), ["a", "b"]);
    }

    #[test]
    fn an_event_past_the_cap_is_refused_in_one_line_and_in_many() {
        let mut parser = SseParser::new(16);
        assert_eq!(parser.push(b"data: 0123456789abcdef", &mut |_| {}), Err(EventTooLarge));
        let mut parser = SseParser::new(16);
        parser.push(b"data: 0123\n", &mut |_| {}).unwrap();
        parser.push(b"data: 4567\n", &mut |_| {}).unwrap();
        assert_eq!(parser.push(b"data: 89ab", &mut |_| {}), Err(EventTooLarge));
    }

    /// Splits `bytes` at the given places (taken modulo the length).
    fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        places.sort_unstable();
        let mut start = 0;
        let mut chunks = Vec::new();
        for place in places.into_iter().chain([bytes.len()]) {
            chunks.push(&bytes[start..place]);
            start = place;
        }
        chunks
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("data: ".to_owned()), Just("data:".to_owned()), Just("event: e".to_owned()), Just(":".to_owned()),
                    Just("\n".to_owned()), Just("\r".to_owned()), Just("\r\n".to_owned()), Just("\n\n".to_owned()),
                    "[a-zé字🦀 :]{0,6}",
                ],
                0..40,
            ),
            cuts in prop::collection::vec(any::<usize>(), 0..12),
        ) {
            let text = pieces.concat();
            let whole = parse(&[text.as_bytes()]);
            prop_assert_eq!(&parse(&split(text.as_bytes(), &cuts)), &whole);
            let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(&parse(&single), &whole);
        }

        #[test]
        fn what_is_written_is_read_back(
            events in prop::collection::vec(prop::collection::vec("[^\r\n]{0,12}", 1..4), 0..8),
            ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 40),
            cuts in prop::collection::vec(any::<usize>(), 0..12),
        ) {
            let mut end = ends.iter().cycle();
            let mut text = String::new();
            for lines in &events {
                for line in lines {
                    text.extend(["data: ", line, end.next().unwrap()]);
                }
                // one kind of end for the empty line: CR and then LF would be one line end, not two
                text.push_str("\r\n\r\n");
            }
            let expected: Vec<String> = events.iter().map(|lines| lines.join("\n")).collect();
            let read: Vec<String> = parse(&split(text.as_bytes(), &cuts)).into_iter().map(|(_, data)| data).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
