//! English prose: past tense, third person, words of letters only, so that the paper's counter (`\b[a-zA-Z]+\b`) counts
//! what was asked for.

use super::dice::Dice;
use super::pattern::{Lists, Pattern, Sentences};

const NOUNS: &str =
    "harvest lantern ledger letter garden engine orchard market compass kettle journal bridge window furnace
    ferry chapel mirror whistle quarry anvil barrel candle ribbon loom parade bakery clock map tower mill pump wagon
    sail rudder anchor cellar attic stove ladder basket blanket needle hammer saddle bell drum violin choir fountain
    staircase workshop library archive classroom laboratory telescope microscope greenhouse nursery kitchen harbour
    lighthouse warehouse printshop foundry smithy tavern theatre stage curtain notebook portrait canvas sculpture mosaic
    treaty charter census railway tunnel signal platform locomotive carriage tramway canal lock reservoir aqueduct well
    turbine generator cable switch radio transmitter antenna film camera recipe menu table chair bench gate fence hedge
    meadow pasture barn stable kennel hive pond stream estuary glacier ridge valley plateau forest grove thicket marsh
    dune reef lagoon tide storm frost thaw drought flood eclipse comet planet orbit crater fossil mineral crystal salt
    copper timber wool linen silk paper ink wax resin clay brick slate thatch";
const PLURALS: &str = "farmers sailors weavers teachers clerks bakers masons carpenters apprentices gardeners drivers
    engineers surveyors musicians painters printers readers scholars travellers merchants neighbours children elders
    visitors guests shepherds fishers millers tailors nurses doctors pilots miners foresters hunters brewers potters
    glaziers coopers saddlers porters couriers watchmen judges senators soldiers settlers pilgrims singers dancers actors
    editors archivists botanists chemists geologists astronomers beekeepers falconers ferrymen innkeepers lamplighters
    blacksmiths locksmiths cobblers tinkers stonecutters shipwrights boatmen rowers climbers guides keepers tenants";
const ADJECTIVES: &str = "quiet narrow patient bright heavy ancient careful distant modest stubborn gentle crooked silver
    wooden painted broken hidden frozen golden pale crowded empty familiar foreign fragile generous hollow honest humble
    idle joyful lively lonely loyal mild muddy noisy odd plain polished proud rapid rare restless rough rusty sacred salty
    shallow sharp silent simple slender smooth solemn sour spare steady steep stern strange sturdy sudden sunny swift tall
    tame tender thick thin tidy tired tough uneven upright useful vast velvet vivid warm weary wet wild windy winding wise
    woven young faded scarlet amber autumn coastal inland northern southern eastern western evening morning winter summer
    provincial municipal borrowed unfinished forgotten celebrated";
const VERBS: &str = "carried repaired painted counted measured guarded followed opened closed lifted gathered watched
    traded collected polished sketched recorded questioned answered studied defended restored visited crossed remembered
    discovered examined described corrected copied delivered borrowed returned offered accepted refused inspected
    arranged balanced bundled chased cleaned climbed covered decorated divided dragged emptied escorted explored
    fastened filled fixed folded framed greeted hammered handled harvested heated honoured imagined imitated improved
    inherited invented joined labelled loaded loosened mapped marked mended mixed moved noticed observed ordered organised
    planned planted praised prepared preserved protected pulled pushed raised reached rebuilt reclaimed reviewed rinsed
    searched sealed served shaped shared sheltered signed sorted stacked steered stored supported surrounded tested tied
    traced trained transformed trusted unpacked warmed washed weighed welcomed wrapped";
const ACTS: &str = "waited trembled paused shifted drifted settled arrived vanished lingered returned wandered hesitated
    listened laboured rested travelled glowed echoed rattled creaked faltered flourished prospered struggled gathered
    scattered descended climbed circled advanced retreated hummed flickered shimmered darkened brightened cooled thickened
    softened hardened ripened withered recovered stumbled marched danced whispered murmured argued agreed worked";
const ADVERBS: &str = "slowly quietly carefully gladly seldom often calmly boldly briefly closely coldly deeply eagerly
    easily evenly fairly firmly freely gently gravely happily hastily heavily honestly humbly keenly kindly lightly loudly
    loyally meekly mildly nearly neatly nobly openly patiently plainly politely promptly proudly quickly rarely readily
    roughly sadly safely secretly sharply silently simply skilfully smoothly softly solemnly steadily sternly stiffly
    suddenly swiftly tenderly thoroughly tightly warmly wearily wisely";
const NAMES: &str =
    "Mara Tobias Ilse Bennet Corin Delia Edmund Freya Gideon Hanna Ivor Jocelyn Kasper Lydia Magnus Nora
    Osric Petra Quentin Rosalind Silas Thea Ulric Vera Wendel Xenia Yorick Zelda Anselm Bertha Clement Dorothea Emeric
    Fabian Greta Hugo Imogen Jasper Katrin Leopold Mirabel Nestor Ottilie Percival Ramona Stellan Tamsin Viola";
const PLACES: &str = "harbour square courtyard village valley market station schoolhouse churchyard riverbank hillside
    seaport island peninsula capital province district suburb quarter arcade passage avenue lane crossroads bridgehead
    ferry landing shipyard dockyard boathouse farmhouse vineyard orchard meadow woodland moor heath highland lowland delta
    coast bay inlet cove headland lakeside spring waterfall canyon desert oasis steppe prairie tundra museum gallery
    observatory conservatory hospital monastery abbey castle citadel barracks palace cottage manor inn tavern";
const TIMES: &str = "morning evening winter summer autumn season decade century week month afternoon night holiday
    festival voyage journey lesson rehearsal siege strike famine harvest election market sermon funeral wedding jubilee
    expedition apprenticeship";
const THINGS: &str = "patience courage sorrow laughter curiosity pride hope doubt kindness silence suspicion gratitude
    wonder resolve mercy ambition caution candour grief delight envy faith fatigue forgiveness generosity hunger humour
    hospitality ingenuity irony justice leisure loyalty melancholy modesty nostalgia obedience persistence prudence relief
    reverence rivalry sincerity skill solitude stubbornness sympathy tact temper thrift tolerance urgency valour vigour
    warmth wisdom worry zeal";

const PATTERNS: &[&str] = &[
    "Silence.",
    "$p $i.",
    "$p $v everything.",
    "The $a $n $i.",
    "The $n $i $d again.",
    "$p $v the $a $n $d.",
    "Every $n $v some $a $n.",
    "The $a $n $i near the $l.",
    "$p $d $v the $a $s nearby.",
    "Beyond the $l, the $n $v its $n.",
    "$p and $p $v the $s with $g.",
    "When the $n $i, $p $d $v the $n.",
    "The $s of the $l $d $v their $g.",
    "In the $l, $p $v the $n and the $n.",
    "Few $s had $v the $n with such $g.",
    "$p $v the $a $n, while the $s $i $d outside.",
    "No $n had $d $v the $a $n since that $t.",
    "Because the $n $i, the $s $v their $g in the $l.",
    "$p, the $a $n of the $l, $v the $s with $g.",
    "By that $t, the $a $s had $v the $n of the $l.",
    "Neither the $n nor the $a $n $d $v the $s of the $l.",
    "The $a $n $d $v the $s, and $p $i beside the $a $n.",
    "Near the $l, where the $s $i, $p $v the $a $n with $g.",
    "$p had $d $v the $n, so the $a $s $i toward the $l that $t.",
    "At the $l the $n $i, the $n $i, and the $s $v their $n.",
    "Although the $a $n had $i, the $s of the $l $v the $n with $g.",
    "What the $s $v in the $l, the $a $n $d $v with its own $g.",
    "For one whole $t the $n of the $l $i, and only $p $d $v the $a $s.",
    "The $s that $p had $v during the $t $d $v the $a $n of the $l.",
    "Between the $l and the $l, $p $v the $a $s, and the $n of that $t $d $i.",
    "$p $v the $n, $p $v the $a $s, and the $l itself $i with some $a $g.",
    "Long before the $t of the $a $n, the $s had $v the $l and $d $v its $n.",
    "If the $a $n $i, $p said, the $s would have $v the $l and the $g of every $n.",
    "The $a $s of the $l $d $v the $n, yet $p still $v the $a $n with more $g than before.",
    "The $a $n of the $l, which no $t had $v, $i $d while $p $v the $s and their $n.",
    "Some of the $s $i toward the $l, others $v the $a $n, and $p $d $v what the $t had $v there.",
    "There was $g in the way the $a $n $i, and $p $v it $d, as the $s had $v their own $n.",
    "$p $v the $n from the $l, and because every $t $v its own $a $s, the $a $n there $d $v the $g.",
];

const POINTS: &[&str] = &[
    "How $p $v the $a $n of the $l, and what the $s $v during that $t",
    "The $t when the $a $s $v the $n, with the $g of $p at its centre",
    "Why the $n of the $a $l $i, told through the $s and their $n",
    "The $a $n that $p $d $v in the $l, and the $g it brought to the $s",
    "A close look at the $n and the $n of the $a $l in the $t of $g",
    "What $p and the $a $s $d $v near the $l after the $n $i",
];

/// Shortest sentence in running text, in words.
const SHORTEST: u32 = 5;

/// The English author.
#[derive(Debug)]
pub(crate) struct English {
    lists: Lists,
    sentences: Sentences,
    points: Vec<Pattern>,
}

impl English {
    pub(crate) fn new() -> Self {
        let lists = Lists::new(&[
            (b'n', NOUNS),
            (b's', PLURALS),
            (b'a', ADJECTIVES),
            (b'v', VERBS),
            (b'i', ACTS),
            (b'd', ADVERBS),
            (b'p', NAMES),
            (b'l', PLACES),
            (b't', TIMES),
            (b'g', THINGS),
        ]);
        let count = |source: &str| source.split(' ').count() as u32;
        let compile = |source: &&'static str| Pattern::compile(source, &lists, count);
        let sentences = Sentences::new(PATTERNS.iter().map(compile).collect(), SHORTEST);
        let points = POINTS.iter().map(compile).collect();
        Self { lists, sentences, points }
    }

    /// Exactly `words` words in paragraphs of 80 to 150; the people come from `cast`, all else from `dice`.
    pub(crate) fn write(&self, words: u32, mut cast: Dice, mut dice: Dice) -> String {
        let people = self.people(&mut cast);
        let mut out = String::with_capacity(words as usize * 7 + 64);
        let mut left = words;
        let mut paragraph = dice.between(80, 150);
        while left > 0 {
            let sentence = self.sentences.choose(left, &mut dice);
            sentence.fill(&self.lists, &people, &mut dice, &mut out);
            left -= sentence.count;
            paragraph = paragraph.saturating_sub(sentence.count);
            if paragraph > 0 {
                out.push(' ');
            } else if left >= 40 {
                out.push_str("\n\n");
                paragraph = dice.between(80, 150);
            } else {
                out.push(' ');
                paragraph = u32::MAX;
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The main point of one step.
    pub(crate) fn point(&self, dice: &mut Dice) -> String {
        let people = self.people(dice);
        let mut out = String::new();
        self.points[dice.below(self.points.len())].fill(&self.lists, &people, dice, &mut out);
        out
    }

    fn people(&self, dice: &mut Dice) -> [&'static str; 4] {
        let names = self.lists.list(b'p');
        let first = dice.below(names.len());
        [0, 7, 19, 31].map(|offset| names[(first + offset) % names.len()])
    }

    #[cfg(test)]
    pub(crate) fn gaps(&self) -> Vec<u32> {
        self.sentences.gaps()
    }
}
