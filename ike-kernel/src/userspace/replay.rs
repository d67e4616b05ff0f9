//! Anti-replay window (RFC 4303 §3.4.3 in the form of RFC 6479) and the inference of the upper half of
//! extended sequence numbers (RFC 4303 appendix A2.2). Numbers are 64 bits wide inside in any case.

const WORDS: usize = 64;
/// Numbers at most this far behind the highest one seen are accepted once.
pub(super) const WINDOW: u64 = (WORDS as u64 - 1) * 64;

/// The window of one inbound SA.
#[derive(Debug, Clone)]
pub(super) struct Window {
    highest: u64,
    bits: [u64; WORDS],
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            highest: 0,
            bits: [0; WORDS],
        }
    }

    /// The number a packet's lower 32 bits stand for; without ESN these bits themselves.
    pub(super) fn infer(&self, low: u32, esn: bool) -> u64 {
        if !esn {
            return low.into();
        }
        //= rfc4303#A2.2: the upper half is the one that puts the number nearest to the window
        let (top_high, top_low) = (self.highest >> 32, self.highest as u32);
        let bottom = top_low.wrapping_sub(WINDOW as u32 - 1);
        let high = if u64::from(top_low) >= WINDOW - 1 {
            top_high + u64::from(low < bottom)
        } else if low >= bottom {
            // The window reaches back into the number space before. There is none before the first:
            // such a number fails the check of the ICV or of the window.
            top_high.wrapping_sub(1)
        } else {
            top_high
        };
        (high << 32) | u64::from(low)
    }

    /// Whether this number may still come: to be asked before and after the ICV is checked.
    pub(super) fn acceptable(&self, number: u64) -> bool {
        //= rfc4303#3.3.3: the first packet has number 1; 0 never comes
        if number == 0 {
            return false;
        }
        if number > self.highest {
            return true;
        }
        self.highest - number < WINDOW && self.bits[Self::word(number)] & Self::bit(number) == 0
    }

    /// Remembers an authenticated number. Returns whether it is the highest so far.
    pub(super) fn accept(&mut self, number: u64) -> bool {
        let ahead = number > self.highest;
        if ahead {
            let (old, new) = (self.highest / 64, number / 64);
            for word in (old + 1..=new).take(WORDS) {
                self.bits[(word % WORDS as u64) as usize] = 0;
            }
            if new - old >= WORDS as u64 {
                self.bits = [0; WORDS];
            }
            self.highest = number;
        }
        self.bits[Self::word(number)] |= Self::bit(number);
        ahead
    }

    fn word(number: u64) -> usize {
        (number / 64 % WORDS as u64) as usize
    }

    fn bit(number: u64) -> u64 {
        1 << (number % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The definition: a set of all numbers seen.
    #[derive(Default)]
    struct Model(BTreeSet<u64>);

    impl Model {
        fn accept(&mut self, number: u64) -> bool {
            let highest = self.0.last().copied().unwrap_or(0);
            number != 0 && number + WINDOW > highest && self.0.insert(number)
        }
    }

    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![
            6 => 0_i64..4,
            3 => -200_i64..200,
            2 => -5000_i64..5000,
            1 => -5_i64..20_000,
        ];
        (0_u64..6000, proptest::collection::vec(step, 1..400)).prop_map(|(start, steps)| {
            let mut at = start;
            steps
                .into_iter()
                .map(|step| {
                    at = at.saturating_add_signed(step);
                    at
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set_of_all_numbers(numbers in numbers()) {
            let (mut window, mut model) = (Window::new(), Model::default());
            for number in numbers {
                let ok = window.acceptable(number);
                prop_assert_eq!(ok, model.accept(number), "number {}", number);
                if ok {
                    window.accept(number);
                }
                prop_assert!(!window.acceptable(number));
            }
        }

        #[test]
        fn the_upper_half_is_inferred_anywhere_near_the_window(
            highest in prop_oneof![1_u64..20_000, (1_u64 << 32) - 9000..(1 << 32) + 9000, (5_u64 << 32) - 9000..(5 << 32) + 9000, any::<u64>().prop_map(|n| n >> 2 | 1)],
            offset in -(WINDOW as i64 - 1)..1_000_000,
        ) {
            let mut window = Window::new();
            window.accept(highest);
            if let Some(number) = highest.checked_add_signed(offset) {
                prop_assert_eq!(window.infer(number as u32, true), number);
            }
        }
    }

    #[test]
    fn without_esn_the_number_is_the_lower_half() {
        let mut window = Window::new();
        window.accept(u64::from(u32::MAX));
        assert_eq!(window.infer(1, false), 1);
        assert!(!window.acceptable(1));
    }

    #[test]
    fn a_jump_over_the_whole_window_forgets_everything_before() {
        let mut window = Window::new();
        for number in 1..=WINDOW {
            assert!(window.accept(number));
        }
        window.accept(1 << 40);
        assert!(!window.acceptable(WINDOW));
        for number in (1 << 40) - WINDOW + 1..1 << 40 {
            assert!(window.acceptable(number));
        }
        assert!(!window.acceptable((1 << 40) - WINDOW));
    }
}
