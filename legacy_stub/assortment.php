<?php
/** What TechFlow sells: the words that seed.php makes products of. */
declare(strict_types=1);

const BRANDS = ['Norrvik', 'Bürkle & Söhne', 'Hallgate', 'Terzo', "O'Malley", 'Brakk', 'Lindqvist', 'Ferrand', 'Kestrel', 'Stonebridge'];
const WAREHOUSES = ['Hamburg', 'Kassel', 'Linz'];

/** Department => [slug, picture, intro, shelves]; shelf => [slug, kinds, sizes, cheapest and dearest in euros, grams]. */
const DEPARTMENTS = [
    'Power Tools' => ['power-tools', 'power', 'Motors, batteries and blades for people who mean it.', [
        'Cordless Drills' => ['cordless-drills', ['Cordless Drill', 'Hammer Drill', 'Impact Driver', 'Drill Driver Set'], ['12 V', '18 V, 40 Nm', '18 V, 60 Nm', '36 V, 110 Nm'], 49, 399, 1800],
        'Circular Saws' => ['circular-saws', ['Circular Saw', 'Plunge Saw', 'Mitre Saw', 'Table Saw'], ['165 mm', '190 mm', '216 mm', '254 mm'], 79, 699, 5200],
        'Sanders' => ['sanders', ['Orbital Sander', 'Belt Sander', 'Delta Sander', 'Drywall Sander'], ['125 mm', '150 mm', '75 x 533 mm', '225 mm'], 35, 329, 1500],
        'Angle Grinders' => ['angle-grinders', ['Angle Grinder', 'Cordless Grinder', 'Wall Chaser', 'Concrete Grinder'], ['115 mm', '125 mm', '150 mm', '230 mm'], 45, 389, 2300],
    ]],
    'Hand Tools' => ['hand-tools', 'hand', 'Steel, ash and good balance. No charger needed.', [
        'Hammers' => ['hammers', ['Claw Hammer', 'Club Hammer', 'Rubber Mallet', 'Framing Hammer'], ['300 g', '500 g', '800 g', '1500 g'], 9, 79, 700],
        'Screwdrivers' => ['screwdrivers', ['Screwdriver Set', 'Insulated Screwdriver', 'Ratchet Screwdriver', 'Precision Set'], ['6 pieces', '12 pieces', 'PZ2 x 100 mm', 'TX25 x 150 mm'], 6, 89, 320],
        'Measuring & Marking' => ['measuring-marking', ['Tape Measure', 'Spirit Level', 'Cross Line Laser', 'Folding Rule'], ['2 m', '5 m', '8 m', '16\''], 5, 259, 410],
        'Pliers & Wrenches' => ['pliers-wrenches', ['Combination Pliers', 'Water Pump Pliers', 'Adjustable Wrench', 'Socket Set 1/2"'], ['180 mm', '250 mm', '300 mm', '24 pieces'], 11, 149, 560],
    ]],
    'Paint & Decorating' => ['paint-decorating', 'paint', 'Two coats, one weekend, and nobody asks what it was before.', [
        'Wall Paint' => ['wall-paint', ['Matt Emulsion', 'Washable Emulsion', 'Anti-Mould Paint', 'Primer'], ['2.5 l, chalk white', '5 l, chalk white', '10 l, white', '5 l, sage'], 14, 109, 7400],
        'Brushes & Rollers' => ['brushes-rollers', ['Flat Brush', 'Radiator Brush', 'Paint Roller', 'Roller Set'], ['35 mm', '50 mm', '180 mm', '250 mm'], 3, 39, 150],
        'Wallpaper' => ['wallpaper', ['Non-woven Wallpaper', 'Woodchip Wallpaper', 'Mural', 'Lining Paper'], ['10.05 m', '15 m', '33.5 m', '2.7 x 4 m'], 8, 129, 1100],
        'Fillers & Sealants' => ['fillers-sealants', ['Wall Filler', 'Acrylic Sealant', 'Silicone', 'Mounting Adhesive'], ['300 ml', '310 ml', '1 kg', '5 kg'], 3, 29, 800],
    ]],
    'Plumbing' => ['plumbing', 'plumbing', 'Everything between the main and the plughole.', [
        'Pipes & Fittings' => ['pipes-fittings', ['Copper Pipe', 'Push-fit Elbow', 'Compression Tee', 'Multilayer Pipe'], ['15 mm', '22 mm', '3/4"', '1 1/4"'], 2, 89, 400],
        'Taps & Mixers' => ['taps-mixers', ['Basin Mixer', 'Kitchen Mixer', 'Shower Thermostat', 'Garden Tap'], ['chrome', 'brushed steel', 'matt black', '1/2"'], 19, 299, 1900],
        'Drainage' => ['drainage', ['Bottle Trap', 'Channel Drain', 'Drain Pipe', 'Shower Tray Trap'], ['40 mm', '50 mm', '90 mm', '110 mm'], 7, 119, 1300],
        'Water Heaters' => ['water-heaters', ['Instant Water Heater', 'Small Storage Heater', 'Wall-hung Cylinder', 'Heat Pump Cylinder'], ['3.5 kW', '5 l', '80 l', '200 l'], 89, 1999, 21000],
    ]],
    'Garden' => ['garden', 'garden', 'Water where it should be, and grass where it should not be higher.', [
        'Hoses & Irrigation' => ['hoses-irrigation', ['Garden Hose', 'Hose Reel', 'Drip Irrigation Set', 'Sprinkler'], ['15 m', '20 m', '30 m', '50 m'], 12, 179, 3100],
        'Lawn Mowers' => ['lawn-mowers', ['Cordless Mower', 'Push Mower', 'Robot Mower', 'Scarifier'], ['32 cm', '38 cm', '42 cm', '46 cm'], 69, 1499, 16500],
        'Garden Tools' => ['garden-tools', ['Spade', 'Border Fork', 'Pruning Shears', 'Leaf Rake'], ['900 mm', '1100 mm', '210 mm', '24 tines'], 9, 79, 1400],
        'Decking' => ['decking', ['Larch Board', 'Composite Board', 'Douglas Fir Board', 'Deck Support'], ['27 x 143 mm', '25 x 138 mm', '3 m', '4 m'], 4, 69, 6800],
    ]],
    'Lighting & Electrical' => ['lighting-electrical', 'light', 'Warm white, safe earth, and a socket where you need one.', [
        'LED Bulbs' => ['led-bulbs', ['LED Bulb', 'LED Filament Bulb', 'LED Spot', 'LED Tube'], ['E27, 8 W', 'E14, 4.5 W', 'GU10, 5 W', 'G13, 18 W'], 2, 29, 90],
        'Ceiling Lights' => ['ceiling-lights', ['Ceiling Light', 'Pendant Light', 'Recessed Spot', 'Panel Light'], ['300 mm', '400 mm', 'brass', '620 x 620 mm'], 15, 249, 1700],
        'Switches & Sockets' => ['switches-sockets', ['Double Socket', 'Two-way Switch', 'Dimmer', 'USB Socket'], ['white', 'anthracite', 'steel', 'IP44'], 4, 69, 120],
        'Cables' => ['cables', ['Installation Cable', 'Extension Lead', 'Network Cable', 'Cable Drum'], ['3 x 1.5 mm²', '5 x 2.5 mm²', '10 m', '50 m'], 6, 189, 4200],
    ]],
];

const OPENERS = [
    'Built for people who use it every day, not once a year.',
    'The one our own fitters take from the shelf.',
    'Small enough for the drawer, strong enough for the job.',
    'Made in small series; every tenth piece is taken apart and looked at.',
    'What it replaces lasted 20 years. So will this.',
];
const MIDDLES = [
    'Fits "standard" mounts & most of what you already own.',
    'Works in walls < 300 mm and in rooms > 5 °C.',
    'Don\'t be fooled by the weight: it is the balance that counts.',
    'Comes with a case, a spare part and a manual that somebody has proof-read.',
    'Tested at −10 °C, at +40 °C and by our neighbour\'s children.',
];
const CLOSERS = [
    'Three years of warranty.',
    'Spare parts for ten years.',
    'We take the old one back.',
    'Ask us for the larger box.',
];
const REVIEWERS = ['Zoë K.', "Sean O'Brien", 'M. & P. Keller', 'Anja', 'Piotr W.', 'José', '<Hobby>Bastler'];
const REVIEW_TEXTS = [
    2 => ['Arrived late and the box was open.', 'Louder than I expected, weaker than I hoped.'],
    3 => ['Does what it says & nothing more.', 'OK for the price.'],
    4 => ['Good. One star less, because the manual says "see figure 3" and there is no figure 3.', 'Solid, would buy again.'],
    5 => ['Best one I\'ve had.', 'My father wants one too :-)', '5 > 4, so five stars.'],
];
