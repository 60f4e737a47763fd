use harness::simulation::*;
#[test]
fn t() {
    std::thread::scope(|s| {
        for k in 0..2u64 {
            s.spawn(move || {
                for seed in (k..300).step_by(2) {
                    let sc = Script::of_seed(seed);
                    let a = run(&sc);
                    let b = run(&sc);
                    if a != b {
                        println!(
                            "DIFF {seed} {:?} {:?} took {} {} {}",
                            a.tally,
                            b.tally,
                            a.took_ms,
                            b.took_ms,
                            sc.to_json()
                        );
                    }
                }
            });
        }
    });
}
